// The oracle: no vectors, no tricks, on every machine.

#include <algorithm>
#include <cstring>

#include "kernels/float_ops.h"
#include "kernels/scaling.h"
#include "pentanet/decode.h"
#include "pentanet/isa.h"

namespace pentanet {
namespace {

template <Layout L>
void unpack(const std::uint8_t* tile, int groups, std::uint8_t* panel) {
    constexpr int digits = geometry(L).digits;
    for (int group = 0; group < groups; ++group, tile += geometry(L).group_bytes, panel += digits * lanes)
        group_digits<L>(tile, panel);
}

void panel_dot(const Panel& panel, Tokens tokens, std::int32_t* sums) {
    const bool is_signed = panel.largest == 0;
    for (int token = 0; token < tokens.count; ++token) {
        const std::int8_t* x = tokens.values + token * tokens.stride;
        for (int tile = 0; tile < panel.tiles; ++tile, sums += tile_rows)
            for (int q = 0; q < panel.quads; ++q)
                for (int row = 0; row < tile_rows; ++row)
                    for (int j = 0; j < quad; ++j) {
                        const std::uint8_t digit = panel.tile(tile)[q * lanes + row * quad + j];
                        sums[row] += (is_signed ? static_cast<std::int8_t>(digit) : int{digit}) * x[q * quad + j];
                    }
    }
}

template <Layout L>
void dot(const std::uint8_t* tile, int groups, Tokens tokens, std::int32_t* sums) {
    constexpr int digits = geometry(L).digits;
    std::uint8_t panel[digits * lanes];
    std::fill_n(sums, tokens.count * tile_rows, 0);
    for (int group = 0; group < groups; ++group) {
        unpack<L>(tile + group * geometry(L).group_bytes, 1, panel);
        panel_dot({panel, 1, digits, geometry(L).largest}, tokens, sums);
        tokens.values += geometry(L).inputs();
    }
}

Kernels kernels(Layout layout, int, int) {
    return with_layout(layout, []<Layout L>() {
        return Kernels{
            .in_memory = L, .dot = dot<L>, .multiply = multiply_tiles<dot<L>>, .unpack = unpack<L>, .repack = nullptr};
    });
}

std::uint64_t read(const std::uint8_t* bytes, std::size_t size) {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < size; i += sizeof sum) {
        std::uint64_t word;
        std::memcpy(&word, bytes + i, sizeof word);
        sum ^= word;
    }
    return sum;
}

std::int64_t multiply(std::int64_t rounds) {
    constexpr int sums = 8;
    std::int32_t sum[sums] = {}, weight = 2, x = 3;
    for (std::int64_t round = 0; round < rounds; ++round)
        for (int i = 0; i < sums; ++i) {
            asm volatile("" : "+r"(weight), "+r"(x));  // new values, for all that the compiler knows
            sum[i] += weight * x;
            asm volatile("" : "+r"(sum[i]));
        }
    return rounds * sums;
}

bool supported() { return true; }

}  // namespace

extern const Isa scalar_isa;
const Isa scalar_isa{
    .name = "scalar",
    .supported = supported,
    .kernels = kernels,
    .panel_tiles = 1,
    .panel_dot = panel_dot,
    .scale_sums = scale_sums,
    .ops = floats::all,
    .probes = {.read = read, .multiply = multiply},
};

}  // namespace pentanet
