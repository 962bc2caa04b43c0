#include <cstring>

#include "kernels/shift_add/isa.h"
#include "pentanet/decode.h"
#include "product/repack.h"

#if defined(PENTANET_X86)
#include "kernels/avx2/repack.h"
#endif

namespace pentanet {

extern const Isa scalar_isa;
#if defined(PENTANET_X86)
extern const Isa avx2_isa;
#endif

namespace shift_add {
namespace {

constexpr int panel_tiles = 4;  // share the tables that are read

// Lanes of every group from [16 rows, 4 inputs] to [4 inputs, 16 rows]: a look-up in a vector then needs one table for
// 16 neighbouring bytes.
void by_input(const std::uint8_t* tile, int groups, std::uint8_t* out) {
    for (; groups > 0; --groups, tile += lanes, out += lanes) {
        std::uint8_t lane[lanes];  // out may be tile
        for (int row = 0; row < tile_rows; ++row)
            for (int input = 0; input < quad; ++input) lane[input * tile_rows + row] = tile[row * quad + input];
        std::memcpy(out, lane, lanes);
    }
}

template <Layout L>
void rearrange(const std::uint8_t* tile, int cols, std::uint8_t* out) {
    by_input(tile, geometry(L).groups(cols), out);
}

// From a layout on disk that has to be rewritten as nibbles first.
template <Layout L, Repack rewrite>
void rewrite_and_rearrange(const std::uint8_t* tile, int cols, std::uint8_t* out) {
    rewrite(tile, cols, out);
    rearrange<L>(out, cols, out);
}

template <Layout L>
Kernels reads(const Lookups& lookups, Repack repack = rearrange<L>) {
    return {
        .in_memory = L,
        .dot = nullptr,
        .multiply = nullptr,
        .unpack = nullptr,
        .repack = repack,
        .lookups = &lookups,
        .by_input = true,
    };
}

template <const Lookups& (*lookups)(Layout), Repack pentanary, Repack ternary>
Kernels kernels(Layout layout, int, int) {
    constexpr Layout nibbles = Layout::pentanary_nibbles, trits = Layout::ternary_2bit;
    switch (layout) {
        case Layout::pentanary_7bit: return reads<nibbles>(lookups(nibbles), rewrite_and_rearrange<nibbles, pentanary>);
        case Layout::pentanary_nibbles: return reads<nibbles>(lookups(layout));
        case Layout::ternary_5in8: return reads<trits>(lookups(trits), rewrite_and_rearrange<trits, ternary>);
        case Layout::sparse_ternary_5bit:
            return reads<trits>(lookups(trits), rewrite_and_rearrange<trits, repack_sparse>);
        case Layout::ternary_2bit: return reads<trits>(lookups(layout));
        case Layout::binary_1bit: return reads<Layout::binary_1bit>(lookups(layout));
        case Layout::nibble: return reads<Layout::nibble>(lookups(layout));
        default: break;
    }
    return reads<Layout::byte>(lookups(Layout::byte));
}

// A set that shares with `base` all but the sums: what machines it runs on, and its loops over float32.
Isa like(const Isa& base, std::string_view name, Kernels (*kernels)(Layout, int, int)) {
    Isa isa = base;
    isa.name = name;
    isa.kernels = kernels;
    isa.panel_tiles = panel_tiles;
    isa.panel_dot = nullptr;
    isa.by_name_only = true;
    return isa;
}

}  // namespace

const Isa& scalar() {
    static const Isa isa = like(scalar_isa, "shift-add", kernels<scalar_lookups, repack_pentanary, repack_ternary>);
    return isa;
}

#if defined(PENTANET_X86)
const Isa& avx2() {
    static const Isa isa =
        like(avx2_isa, "shift-add-avx2", kernels<avx2_lookups, avx2_repack_pentanary, avx2_repack_ternary>);
    return isa;
}
#endif

}  // namespace shift_add
}  // namespace pentanet
