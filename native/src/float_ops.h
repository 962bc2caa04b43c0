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

#include "attention_ops.h"
#include "exponential.h"
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
    transform(x, n, [top](const Floats& v) { return exponential<Floats, Ints>(v - top); });
    Floats total{};
    std::ptrdiff_t i = 0;
    for (; i + width <= n; i += width) total += load(x + i);
    if (i < n) total += load_tail(x + i, n - i, load);
    return sum(total);
}

void silu(float* x, std::ptrdiff_t n) {
    transform(x, n, [](const Floats& v) { return v / (exponential<Floats, Ints>(-v) + 1.0f); });
}

// Rounds eight numbers at a time to the 16 bits that `round` makes of each.
template <class Round>
inline void to_halves(const float* x, std::uint16_t* out, std::ptrdiff_t n, Round round) {
    using Halves = std::uint16_t __attribute__((vector_size(2 * width)));
    for (std::ptrdiff_t i = 0; i < n; i += width) {
        const std::ptrdiff_t now = n - i < width ? n - i : std::ptrdiff_t{width};
        const Halves half = __builtin_convertvector(round(now < width ? load_tail(x + i, now, load) : load(x + i)), Halves);
        std::memcpy(out + i, &half, static_cast<std::size_t>(now) * sizeof(std::uint16_t));
    }
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

void to_float16(const float* x, std::uint16_t* out, std::ptrdiff_t n) { to_halves(x, out, n, halves::float16<Floats, Ints>); }

void to_bfloat16(const float* x, std::uint16_t* out, std::ptrdiff_t n) { to_halves(x, out, n, halves::bfloat16<Floats, Ints>); }

constexpr FloatOps all{dot,        dot_bfloat16, add_scaled,
                       softmax,    silu,         quantize,
                       to_float16, to_bfloat16,  {attention::attend<attention::Float32>, attention::attend<attention::Float16>,
                                                  attention::attend<attention::BFloat16>, attention::attend_int8}};

}  // namespace floats

}  // namespace
}  // namespace pentanet
