// From integer sums to outputs, compiled once for each instruction set. Every output has its own products and sums of two
// float32, so all sets give the same bits. Internal linkage, as in float_ops.h.
#pragma once

#include "pentanet/isa.h"

namespace pentanet {
namespace {

template <bool First>
inline void scale_some(const std::int32_t* __restrict sums, Scaling s, std::ptrdiff_t rows, float* __restrict out) {
    for (std::ptrdiff_t r = 0; r < rows; ++r) {
        const float part = static_cast<float>(s.spacing * sums[r] + s.base) * s.scales[r];
        out[r] = (First ? part : out[r] + part) * s.last;  // a factor of 1 changes no bit
    }
}

void scale_sums(const std::int32_t* sums, Scaling s, std::ptrdiff_t rows, float* out) {
    if (s.first)
        scale_some<true>(sums, s, rows, out);
    else
        scale_some<false>(sums, s, rows, out);
}

}  // namespace
}  // namespace pentanet
