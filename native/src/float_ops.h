// Loops over float32, compiled once for each instruction set.
//
// They are written with the compilers' vector types, eight numbers wide: the order of every sum is then part of the
// source, and all sets give the same bits. Contraction to fused multiply-adds is switched off for the same reason.
// Everything here has internal linkage, and nothing of <algorithm> is used: code of one set must never be linked into
// another, which is what happens to shared inline functions.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

#include "pentanet/isa.h"

namespace pentanet {
namespace {
namespace floats {

constexpr std::ptrdiff_t width = 8;
using Floats = float __attribute__((vector_size(4 * width)));
using Ints = std::int32_t __attribute__((vector_size(4 * width)));

inline Floats load(const float* p) {
    Floats v;
    std::memcpy(&v, p, sizeof v);
    return v;
}

inline Floats load_bfloat16(const std::uint16_t* p) {
    using Halves = std::uint16_t __attribute__((vector_size(2 * width)));
    using Words = std::uint32_t __attribute__((vector_size(4 * width)));
    Halves half;
    std::memcpy(&half, p, sizeof half);
    return std::bit_cast<Floats>(__builtin_convertvector(half, Words) << 16);
}

inline void store(float* p, const Floats& v) { std::memcpy(p, &v, sizeof v); }

inline float sum(const Floats& v) { return ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7])); }

// Loads fewer than eight numbers, zeros behind them.
template <class T>
inline Floats load_tail(const T* p, std::ptrdiff_t n, Floats (*load_all)(const T*)) {
    T rest[width] = {};
    std::memcpy(rest, p, static_cast<std::size_t>(n) * sizeof(T));
    return load_all(rest);
}

template <class T>
inline float dot_of(const T* a, const float* b, std::ptrdiff_t n, Floats (*load_a)(const T*)) {
    Floats first{}, second{};
    std::ptrdiff_t i = 0;
    for (; i + 2 * width <= n; i += 2 * width) {
        first += load_a(a + i) * load(b + i);
        second += load_a(a + i + width) * load(b + i + width);
    }
    if (i + width <= n) {
        first += load_a(a + i) * load(b + i);
        i += width;
    }
    if (i < n) second += load_tail(a + i, n - i, load_a) * load_tail(b + i, n - i, load);
    return sum(first + second);
}

float dot(const float* a, const float* b, std::ptrdiff_t n) { return dot_of(a, b, n, load); }

float dot_bfloat16(const std::uint16_t* a, const float* b, std::ptrdiff_t n) { return dot_of(a, b, n, load_bfloat16); }

void add_scaled(float* y, float factor, const float* x, std::ptrdiff_t n) {
    for (std::ptrdiff_t i = 0; i < n; ++i) y[i] += factor * x[i];
}

// exp(x) to within 2 units in the last place: 2^k times a polynomial on [-ln 2 / 2, ln 2 / 2] (Cephes, expf).
// Below -87.3, where float32 would lose digits, it gives 0.
inline Floats exponential(const Floats& x) {
    constexpr float round = 12582912.0f;  // 1.5 * 2^23: adding it leaves an integer
    const Floats clamped = x < 88.0f ? (x > -87.3f ? x : Floats{} - 87.3f) : Floats{} + 88.0f;
    const Floats shifted = clamped * 1.44269504088896341f + round;
    const Floats k = shifted - round;
    const Floats r = (clamped - k * 0.693359375f) - k * -2.12194440e-4f;
    Floats p = Floats{} + 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * (r * r) + r + 1.0f;
    const Ints exponent = (__builtin_convertvector(k, Ints) + 127) << 23;
    const Floats result = p * std::bit_cast<Floats>(exponent);
    return x > -87.3f ? result : Floats{};
}

// Applies f to x eight at a time; the last few with zeros behind them.
template <class F>
inline void transform(float* x, std::ptrdiff_t n, F f) {
    std::ptrdiff_t i = 0;
    for (; i + width <= n; i += width) store(x + i, f(load(x + i)));
    if (i == n) return;
    const Floats last = f(load_tail(x + i, n - i, load));
    std::memcpy(x + i, &last, static_cast<std::size_t>(n - i) * sizeof(float));
}

float softmax(float* x, std::ptrdiff_t n) {
    float top = x[0];
    for (std::ptrdiff_t i = 1; i < n; ++i) top = x[i] > top ? x[i] : top;
    transform(x, n, [top](const Floats& v) { return exponential(v - top); });
    Floats total{};
    std::ptrdiff_t i = 0;
    for (; i + width <= n; i += width) total += load(x + i);
    if (i < n) total += load_tail(x + i, n - i, load);
    return sum(total);
}

void silu(float* x, std::ptrdiff_t n) {
    transform(x, n, [](const Floats& v) { return v / (exponential(-v) + 1.0f); });
}

float quantize(const float* x, std::int8_t* q, std::ptrdiff_t n) {
    constexpr float round = 12582912.0f;  // adding 1.5 * 2^23 rounds to the nearest integer, ties to even
    float top = 0;
    for (std::ptrdiff_t i = 0; i < n; ++i) top = __builtin_fabsf(x[i]) > top ? __builtin_fabsf(x[i]) : top;
    const float scale = top / 127.0f;
    if (!(scale > 0)) {  // all zeros, or too small for a scale
        std::memset(q, 0, static_cast<std::size_t>(n));
        return 0;
    }
    for (std::ptrdiff_t i = 0; i < n; ++i) {
        float v = x[i] / scale;
        v = v > -127.0f ? v : -127.0f;  // NaN too, which no cast could take
        v = v < 127.0f ? v : 127.0f;
        q[i] = static_cast<std::int8_t>(static_cast<std::int32_t>((v + round) - round));
    }
    return scale;
}

constexpr FloatOps all{dot, dot_bfloat16, add_scaled, softmax, silu, quantize};

}  // namespace floats

}  // namespace
}  // namespace pentanet
