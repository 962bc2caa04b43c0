// Sums by look-up in AVX2: vpshufb looks up 32 entries, of two inputs and 16 rows, in a table for each half of the
// vector. Four tiles share each table that is read: with fewer, reading tables takes longer than everything else.

#include "kernels/intrinsics.h"
#include "kernels/shift_add/isa.h"
#include "kernels/shift_add/tables.h"

namespace pentanet::shift_add {
namespace {

using Vector = __m256i;

constexpr int half = 32;              // bytes of a vector: half a group
constexpr int prefetch_ahead = 8192;  // bytes
constexpr int block = 2;              // groups: four vectors, each of which adds at most 63 to a byte, or twice 31
constexpr int blocks_at_most = 256;   // of up to 255 in 16 bits

inline Vector load(const void* p) { return _mm256_loadu_si256(static_cast<const Vector*>(p)); }

template <int Nibble>
inline Vector nibble(Vector lanes) {
    return _mm256_and_si256(_mm256_srli_epi16(lanes, 4 * Nibble), _mm256_set1_epi8(15));
}

// Sums of 16 bits: of low and high parts, of even and odd rows; each of two halves of inputs.
struct Words {
    Vector low[2], high[2];

    void add(Vector low_bytes, Vector high_bytes) {
        const Vector even = _mm256_set1_epi16(255);
        low[0] = _mm256_add_epi16(low[0], _mm256_and_si256(low_bytes, even));
        low[1] = _mm256_add_epi16(low[1], _mm256_srli_epi16(low_bytes, 8));
        high[0] = _mm256_add_epi16(high[0], _mm256_and_si256(high_bytes, even));
        high[1] = _mm256_add_epi16(high[1], _mm256_srli_epi16(high_bytes, 8));
    }

    // Adds them to the sums of 16 rows.
    void add_to(std::int32_t* sums) const {
        std::uint16_t l[2][tile_rows], h[2][tile_rows];
        std::memcpy(l, low, sizeof l);
        std::memcpy(h, high, sizeof h);
        for (int i = 0; i < tile_rows / 2; ++i)
            for (int odd = 0; odd < 2; ++odd)
                sums[2 * i + odd] += l[odd][i] + l[odd][i + 8] + ((h[odd][i] + h[odd][i + 8]) << low_bits);
    }
};

// What up to two groups of Tiles tiles look up, in bytes, then added to the words.
template <int Tiles, bool Apart, int Groups>
[[gnu::always_inline]] inline void add_block(const std::uint8_t* const (&tile)[Tiles], const std::uint8_t* tables,
                                             Words (&words)[Tiles][2]) {
    constexpr int vectors = 2 * Groups;
    const auto entries_of = [&](auto nib, auto v, Vector(&low)[Tiles],
                                Vector(&high)[Tiles]) __attribute__((always_inline)) {
        const std::uint8_t* table = tables + v / 2 * group_bytes + nib * nibble_bytes + v % 2 * half;
        const Vector low_table = load(table), high_table = load(table + part_bytes);
        unroll<Tiles>(PENTANET_EACH(i) {
            const Vector entry = nibble<nib>(load(tile[i] + v * half));
            low[i] = _mm256_add_epi8(low[i], _mm256_shuffle_epi8(low_table, entry));
            high[i] = _mm256_add_epi8(high[i], _mm256_shuffle_epi8(high_table, entry));
            PENTANET_KEEP(low[i]);  // or gcc would look everything up first, and run out of registers
            PENTANET_KEEP(high[i]);
        });
    };
    if constexpr (Apart) {
        unroll<2>(PENTANET_EACH(nib) {
            Vector low[Tiles] = {}, high[Tiles] = {};
            unroll<vectors>(PENTANET_EACH(v) { entries_of(nib, v, low, high); });
            unroll<Tiles>(PENTANET_EACH(i) { words[i][nib].add(low[i], high[i]); });
        });
    } else {
        Vector low[Tiles] = {}, high[Tiles] = {};
        unroll<vectors>(PENTANET_EACH(v) { unroll<2>(PENTANET_EACH(nib) { entries_of(nib, v, low, high); }); });
        unroll<Tiles>(PENTANET_EACH(i) { words[i][0].add(low[i], high[i]); });
    }
}

// Adds what the first tiles look up for one token to found[nibble][tile, row]; where nibbles are not apart, the lower
// one has all. Goes on behind these tiles: were their number known here, gcc would multiply to find the place.
template <int Tiles, bool Apart>
[[gnu::noinline]] void look_up(TileGroups& tiles, const std::uint8_t* tables,
                               std::int32_t (&found)[2][Tiles * tile_rows]) {
    const std::uint8_t* tile[Tiles];
    tile[0] = tiles.first;
    for (int i = 1; i < Tiles; ++i) tile[i] = tile[i - 1] + tiles.tile_bytes;
    tiles.first = tile[Tiles - 1] + tiles.tile_bytes;
    tiles.tiles -= Tiles;
    for (int left = tiles.groups; left > 0;) {
        Words words[Tiles][2] = {};
        int blocks = 0;
        for (; left >= block && blocks < blocks_at_most; left -= block, ++blocks) {
            unroll<Tiles>(PENTANET_EACH(i) {
                for (int line = 0; line < block; ++line)
                    _mm_prefetch(reinterpret_cast<const char*>(tile[i]) + line * lanes + prefetch_ahead, _MM_HINT_T0);
            });
            add_block<Tiles, Apart, block>(tile, tables, words);
            for (auto& p : tile) p += block * lanes;
            tables += block * group_bytes;
        }
        if (left == 1 && blocks < blocks_at_most) {
            add_block<Tiles, Apart, 1>(tile, tables, words);
            left = 0;
        }
        for (int i = 0; i < Tiles; ++i)
            for (int nib = 0; nib < (Apart ? 2 : 1); ++nib) words[i][nib].add_to(found[nib] + i * tile_rows);
    }
}

template <Layout L, int Tiles>
inline void dot_tiles(TileGroups& tiles, const std::uint8_t* tables, std::int32_t* sums) {
    std::int32_t found[2][Tiles * tile_rows] = {};
    look_up<Tiles, apart<L>>(tiles, tables, found);
    for (int i = 0; i < Tiles * tile_rows; ++i) sums[i] += total<L>(found[0][i], found[1][i], tiles.groups);
}

constexpr int together = 4;  // tiles; what is left over goes one by one

template <Layout L>
void dot(const TileGroups& tiles, Tokens tokens, std::int32_t* sums) {
    const std::int8_t* tables = tokens.values;
    for (int t = 0; t < tokens.count; ++t, tables += tokens.stride) {
        TileGroups rest = tiles;
        const auto next = [&](auto count) {
            dot_tiles<L, count>(rest, reinterpret_cast<const std::uint8_t*>(tables), sums);
            sums += count * tile_rows;
        };
        while (rest.tiles >= together) next(std::integral_constant<int, together>{});
        while (rest.tiles > 0) next(std::integral_constant<int, 1>{});
    }
}

template <Layout L>
constexpr Lookups lookups{.group_bytes = group_bytes, .offset = offset<L>, .build = build<L>, .dot = dot<L>};

}  // namespace

const Lookups& avx2_lookups(Layout layout) {
    return choose(layout, []<Layout L>() -> const Lookups& { return lookups<L>; });
}

}  // namespace pentanet::shift_add
