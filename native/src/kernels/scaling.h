// From integer sums to outputs, compiled once for each instruction set. Every output has its own products and sums of
// two float32, so all sets give the same bits. Internal linkage, as in float_ops.h.
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

// The sums of a tile are scaled while the products of the next one run: done at once, they would have to wait for the
// last of their own, and memory would wait with them.
template <FusedDot Dot>
void multiply_tiles(const Products& p) {
    alignas(lanes) std::int32_t sums[2][fused_tokens * tile_rows];
    const int factors = p.factor_count;
    const int tokens = p.factors[0].tokens.count;
    const auto scale = [&](std::ptrdiff_t row, int factor, const std::int32_t* of) {
        const Factor& f = p.factors[factor];
        const float* scales = p.scales + row / tile_rows * p.scale_step + std::ptrdiff_t{factor} * tile_rows;
        for (int t = 0; t < tokens; ++t, of += tile_rows) {
            const Scaling s{
                .spacing = p.spacing,
                .base = f.bases[t],
                .scales = scales,
                .first = factor == 0,
                .last = factor + 1 == factors ? p.last[t] : 1.0f,
            };
            if (s.first && p.rows - row >= tile_rows)  // nearly always: without a loop
                scale_some<true>(of, s, tile_rows, p.y[t] + row);
            else
                scale_sums(of, s, p.rows - row < tile_rows ? p.rows - row : tile_rows, p.y[t] + row);
        }
    };
    const std::uint8_t* tile = p.first;
    std::ptrdiff_t last_row = -1;
    int last_factor = 0, now = 0;
    for (std::ptrdiff_t row = 0; row < p.rows; row += tile_rows, tile += p.tile_bytes)
        for (int factor = 0; factor < factors; ++factor) {
            const Factor& f = p.factors[factor];
            Dot(tile + f.offset, f.groups, f.tokens, sums[now]);
            now = 1 - now;
            if (last_row >= 0) scale(last_row, last_factor, sums[now]);
            last_row = row;
            last_factor = factor;
        }
    if (last_row >= 0) scale(last_row, last_factor, sums[1 - now]);
}

}  // namespace
}  // namespace pentanet
