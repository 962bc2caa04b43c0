// Sums by look-up in plain C++: for machines without vectors, and the example to read first.

#include "kernels/shift_add/isa.h"
#include "kernels/shift_add/tables.h"

namespace pentanet::shift_add {
namespace {

// Adds what one nibble looks up, in all groups, for the 16 rows of a tile.
template <int Nibble>
void add_nibble(const std::uint8_t* lane, int groups, const std::uint8_t* tables, std::int32_t* sums) {
    const std::uint8_t* end = tables + std::ptrdiff_t{groups} * group_bytes;
    for (; tables != end; tables += group_bytes)
        for (int input = 0; input < quad; ++input) {
            const std::uint8_t* table = tables + Nibble * nibble_bytes + input * entries;
            for (int row = 0; row < tile_rows; ++row, ++lane) {
                const int entry = Nibble == 0 ? *lane & 15 : *lane >> 4;
                sums[row] += table[entry] + (table[entry + part_bytes] << low_bits);
            }
        }
}

template <Layout L>
void dot(const TileGroups& tiles, Tokens tokens, std::int32_t* sums) {
    const std::int8_t* tables = tokens.values;
    for (int token = 0; token < tokens.count; ++token, tables += tokens.stride) {
        const std::uint8_t* tile = tiles.first;
        for (int i = 0; i < tiles.tiles; ++i, tile += tiles.tile_bytes, sums += tile_rows) {
            std::int32_t low[tile_rows] = {}, high[tile_rows] = {};
            add_nibble<0>(tile, tiles.groups, reinterpret_cast<const std::uint8_t*>(tables), low);
            add_nibble<1>(tile, tiles.groups, reinterpret_cast<const std::uint8_t*>(tables), high);
            for (int row = 0; row < tile_rows; ++row) sums[row] += total<L>(low[row], high[row], tiles.groups);
        }
    }
}

template <Layout L>
constexpr Lookups lookups{.group_bytes = group_bytes, .offset = offset<L>, .build = build<L>, .dot = dot<L>};

}  // namespace

const Lookups& scalar_lookups(Layout layout) {
    return choose(layout, []<Layout L>() -> const Lookups& { return lookups<L>; });
}

}  // namespace pentanet::shift_add
