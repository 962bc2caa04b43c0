// exp(x), for vectors of any width: the same bits for the same number. Internal linkage, as in float_ops.h.
#pragma once

#include <bit>

namespace pentanet {
namespace {

// To within 2 units in the last place: 2^k times a polynomial on [-ln 2 / 2, ln 2 / 2] (Cephes, expf). Below -87.3,
// where float32 would lose digits, it gives 0.
template <class Floats, class Ints>
[[gnu::always_inline]] inline Floats exponential(const Floats& x) {
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

}  // namespace
}  // namespace pentanet
