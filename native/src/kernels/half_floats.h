// float32 to 16 bits and back, for vectors of any width. Internal linkage, as in float_ops.h.
#pragma once

#include <bit>

namespace pentanet {
namespace {
namespace half_floats {

constexpr int magnitude = 0x7fffffff, sign = static_cast<int>(0x80000000), infinity = 0x7f800000;

// The bits of x in IEEE binary16, ties to even, in the lower half of each word. Magnitudes above 65504 become that.
template <class Floats, class Ints>
[[gnu::always_inline]] inline Ints float16(const Floats& x) {
    const Ints bits = std::bit_cast<Ints>(x), size = bits & magnitude;
    const Ints whole =
        (size + 0xfff + (size >> 13 & 1) - (112 << 23)) >> 13;  // the exponent's bias goes from 127 to 15
    // Below 2^-14 an addition of 0.5 leaves the wanted bits at the lower end.
    const Ints small = std::bit_cast<Ints>(std::bit_cast<Floats>(size) + 0.5f) - 0x3f000000;
    Ints half = size < 0x38800000 ? small : whole;
    half = size > 0x477fefff ? Ints{} + 0x7bff : half;
    half = size > infinity ? Ints{} + 0x7e00 : half;  // NaN
    return half | ((bits & sign) >> 16 & 0x8000);
}

// The number of which these are the bits.
template <class Floats, class Ints>
[[gnu::always_inline]] inline Floats from_float16(const Ints& half) {
    const Ints size = (half & 0x7fff) << 13;
    const Ints finite = std::bit_cast<Ints>(std::bit_cast<Floats>(size) * 0x1p112f);
    return std::bit_cast<Floats>((size >= 0x7c00 << 13 ? size | infinity : finite) | (half & 0x8000) << 16);
}

template <class Floats, class Ints>
[[gnu::always_inline]] inline Ints bfloat16(const Floats& x) {
    const Ints bits = std::bit_cast<Ints>(x);
    const Ints rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
    return ((bits & magnitude) > infinity ? Ints{} + 0x7fc0 : rounded) & 0xffff;
}

}  // namespace half_floats
}  // namespace
}  // namespace pentanet
