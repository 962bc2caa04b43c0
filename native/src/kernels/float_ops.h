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

#include "kernels/attention.h"
#include "kernels/exponential.h"
#include "kernels/soft_cap.h"
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
    using HalfFloats = std::uint16_t __attribute__((vector_size(2 * width)));
    using Words = std::uint32_t __attribute__((vector_size(4 * width)));
    HalfFloats half;
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

float total(const float* x, std::ptrdiff_t n) {
    Floats first{}, second{};
    std::ptrdiff_t i = 0;
    for (; i + 2 * width <= n; i += 2 * width) {
        first += load(x + i);
        second += load(x + i + width);
    }
    if (i + width <= n) {
        first += load(x + i);
        i += width;
    }
    if (i < n) second += load_tail(x + i, n - i, load);
    return sum(first + second);
}

// x = f(x) * by, eight at a time; the last few with zeros behind them.
template <class F>
inline void transform(float* x, const float* by, std::ptrdiff_t n, F f) {
    std::ptrdiff_t i = 0;
    if (by == nullptr)
        for (; i + width <= n; i += width) store(x + i, f(load(x + i)));
    else
        for (; i + width <= n; i += width) store(x + i, f(load(x + i)) * load(by + i));
    if (i == n) return;
    Floats last = f(load_tail(x + i, n - i, load));
    if (by != nullptr) last *= load_tail(by + i, n - i, load);
    std::memcpy(x + i, &last, static_cast<std::size_t>(n - i) * sizeof(float));
}

void silu(float* x, const float* by, std::ptrdiff_t n) {
    transform(x, by, n, [](const Floats& v) { return v / (exponential<Floats, Ints>(-v) + 1.0f); });
}

void relu2(float* x, const float* by, std::ptrdiff_t n) {
    transform(x, by, n, [](const Floats& v) { return v > 0.0f ? v * v : Floats{}; });
}

// A polynomial with its coefficients from the constant one up.
template <std::size_t N>
inline Floats polynomial(const float (&c)[N], const Floats& x) {
    Floats sum = Floats{} + c[N - 1];
    for (std::size_t i = N - 1; i-- > 0;) sum = sum * x + c[i];
    return sum;
}

// erf(x), to 1e-7: below 1 x times a polynomial of x^2, above 1 - e^-p with p a polynomial of |x| - 2.5. Both were
// fitted to erf in double precision; from 4 on erf is 1 in float32.
inline Floats error_function(const Floats& x) {
    constexpr float near[] = {1.128379166f,    -0.3761262585f,    0.1128358536f,   -0.02685381907f,
                              0.005188339407f, -0.0008010286227f, 7.854143033e-05f};
    constexpr float far[] = {7.806815304f,    5.352680614f,    0.9438918399f,     0.0108534998f,
                             -0.00216652129f, 0.000430916765f, -6.181574089e-05f, 2.168699743e-05f};
    const Floats size = x < 0.0f ? -x : x, end = size < 4.0f ? size : Floats{} + 4.0f;
    const Floats small = x * polynomial(near, x * x);
    const Floats large = 1.0f - exponential<Floats, Ints>(-polynomial(far, end - 2.5f));
    return size < 1.0f ? small : x < 0.0f ? -large : large;
}

void gelu(float* x, const float* by, std::ptrdiff_t n) {
    transform(x, by, n, [](const Floats& v) { return v * 0.5f * (error_function(v * 0.70710678118654752f) + 1.0f); });
}

// 0.5 v (1 + tanh u) is v / (1 + e^-2u).
void gelu_tanh(float* x, const float* by, std::ptrdiff_t n) {
    transform(x, by, n, [](const Floats& v) {
        const Floats twice = (v * v * 0.044715f + 1.0f) * v * 1.5957691216057308f;  // 2 sqrt(2 / pi)
        return v / (exponential<Floats, Ints>(-twice) + 1.0f);
    });
}

void cap(float* x, float limit, std::ptrdiff_t n) {
    transform(x, nullptr, n, [limit](const Floats& v) { return soft_cap<Floats, Ints>(v, limit); });
}

// Rounds eight numbers at a time to the 16 bits that `round` makes of each.
template <class Round>
inline void to_half_floats(const float* x, std::uint16_t* out, std::ptrdiff_t n, Round round) {
    using HalfFloats = std::uint16_t __attribute__((vector_size(2 * width)));
    for (std::ptrdiff_t i = 0; i < n; i += width) {
        const std::ptrdiff_t now = n - i < width ? n - i : std::ptrdiff_t{width};
        const HalfFloats half =
            __builtin_convertvector(round(now < width ? load_tail(x + i, now, load) : load(x + i)), HalfFloats);
        std::memcpy(out + i, &half, static_cast<std::size_t>(now) * sizeof(std::uint16_t));
    }
}

float quantize(const float* x, std::int8_t* q, std::ptrdiff_t n) {
    constexpr float round = 12582912.0f;  // adding 1.5 * 2^23 rounds to the nearest integer, ties to even
    using Bytes = std::int8_t __attribute__((vector_size(width)));
    // The largest magnitude, by its bits as a whole number: infinity and NaN are above all others, so none is lost.
    Ints tops{};
    const auto widen = [&tops](const Floats& v) {
        const Ints size = std::bit_cast<Ints>(v) & 0x7fffffff;
        tops = size > tops ? size : tops;
    };
    std::ptrdiff_t i = 0;
    for (; i + width <= n; i += width) widen(load(x + i));
    if (i < n) widen(load_tail(x + i, n - i, load));
    std::int32_t top = tops[0];
    for (int lane = 1; lane < width; ++lane) top = tops[lane] > top ? tops[lane] : top;
    const float scale = std::bit_cast<float>(top) / 127.0f;
    if (!(scale > 0 && scale < __builtin_inff())) {
        std::memset(q, 0, static_cast<std::size_t>(n));
        return scale - scale;  // 0 for zeros and what is too small for a scale, else NaN
    }
    const auto whole = [scale](Floats v) {
        v = v / scale;
        v = v > -127.0f ? v : Floats{} - 127.0f;  // NaN too, which no cast could take
        v = v < 127.0f ? v : Floats{} + 127.0f;
        return __builtin_convertvector(__builtin_convertvector((v + round) - round, Ints), Bytes);
    };
    for (i = 0; i + width <= n; i += width) {
        const Bytes bytes = whole(load(x + i));
        std::memcpy(q + i, &bytes, sizeof bytes);
    }
    if (i < n) {
        const Bytes bytes = whole(load_tail(x + i, n - i, load));
        std::memcpy(q + i, &bytes, static_cast<std::size_t>(n - i));
    }
    return scale;
}

void rest(const float* __restrict x, const std::int8_t* __restrict q, float scale, float* __restrict out,
          std::ptrdiff_t n) {
    for (std::ptrdiff_t i = 0; i < n; ++i) out[i] = x[i] - static_cast<float>(q[i]) * scale;
}

std::int64_t sum_of_sizes(const std::int8_t* q, std::ptrdiff_t n) {
    std::int32_t sum = 0;  // at most max_cols * 127
    for (std::ptrdiff_t i = 0; i < n; ++i) sum += q[i] < 0 ? -q[i] : q[i];
    return sum;
}

void to_float16(const float* x, std::uint16_t* out, std::ptrdiff_t n) {
    to_half_floats(x, out, n, [](const Floats& v) { return half_floats::float16<Floats, Ints>(v); });
}

void to_bfloat16(const float* x, std::uint16_t* out, std::ptrdiff_t n) {
    to_half_floats(x, out, n, [](const Floats& v) { return half_floats::bfloat16<Floats, Ints>(v); });
}

constexpr FloatOps all{
    .dot = dot,
    .dot_bfloat16 = dot_bfloat16,
    .total = total,
    .silu = silu,
    .relu2 = relu2,
    .gelu = gelu,
    .gelu_tanh = gelu_tanh,
    .cap = cap,
    .quantize = quantize,
    .rest = rest,
    .sum_of_sizes = sum_of_sizes,
    .to_float16 = to_float16,
    .to_bfloat16 = to_bfloat16,
    .attend = {attention::attend<attention::Float32>, attention::attend<attention::Float16>,
               attention::attend<attention::BFloat16>, attention::attend_int8},
};

}  // namespace floats

}  // namespace
}  // namespace pentanet
