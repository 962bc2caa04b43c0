// Sparse ternary weights whose sums are looked up, for AVX-512. What four inputs add to a row is one of 32 sums, which
// fit 16 bits: one register is the table of four inputs, and one look-up serves 32 rows. Words of 16 bits hold three
// codes each, at any place, since a look-up ignores what is above five bits. Internal linkage, as in float_ops.h.
#pragma once

#include "kernels/avx512/sparse.h"

namespace pentanet {
namespace {

constexpr int word_codes_in_group = geometry(Layout::sparse_ternary_words).digits, words_of_row = 5, codes_of_word = 3;
// In groups. With tables of 8 KiB the first cache has room for weights, with 15 KiB it has not.
constexpr int sparse_word_strip = 8;
constexpr int exact_groups = 4;
static_assert(exact_groups * word_codes_in_group * 3 * 127 <= INT16_MAX);  // three levels of four are not 0

// Digits of codes in the order in which sums are packed: four of the first, four of the second, and so on.
struct PackedDigits {
    alignas(64) std::uint32_t first[16], second[16];
};
constexpr PackedDigits packed_digits = [] {
    PackedDigits p{};
    for (std::size_t i = 0; i < 16; ++i) {
        p.first[i] = std::bit_cast<std::uint32_t>(sparse_digits[i / 4 * 8 + i % 4]);
        p.second[i] = std::bit_cast<std::uint32_t>(sparse_digits[i / 4 * 8 + i % 4 + 4]);
    }
    return p;
}();

void build_sparse_words(const std::int8_t* x, int groups, std::uint8_t* tables) {
    for (int i = 0; i < groups * word_codes_in_group; ++i, x += quad, tables += lanes) {
        const Vector four = broadcast(x), zero = _mm512_setzero_si512();
        const Vector ones =
            _mm512_sub_epi32(zero, _mm512_dpbusd_epi32(zero, bytes(1), four));  // a digit is a level plus one
        store(tables, _mm512_packs_epi32(_mm512_dpbusd_epi32(ones, load(packed_digits.first), four),
                                         _mm512_dpbusd_epi32(ones, load(packed_digits.second), four)));
    }
}

inline void add_eight(std::int32_t* sums, __m256i more) {
    auto* p = reinterpret_cast<__m256i*>(sums);
    _mm256_storeu_si256(p, _mm256_add_epi32(_mm256_loadu_si256(p), more));
}

// Into a register: gcc would load again for each use, and loads are as scarce here as look-ups.
inline Vector loaded(const void* p) {
    Vector v = load(p);
    PENTANET_KEEP(v);
    return v;
}

// 32 * Vectors rows, of up to two tiles in a vector. Memory behind the last tile is read, and what it gives is dropped.
template <int Vectors>
void look_up_sparse_words(const std::uint8_t* p, int groups, int tiles, const std::uint8_t* table, std::int32_t* sums) {
    Vector even[Vectors] = {}, odd[Vectors] = {};
    while (groups > 0) {
        const int now = groups < exact_groups ? groups : exact_groups;
        Vector narrow[Vectors] = {};
        for (int group = 0; group < now; ++group, p += word_group_bytes, table += word_codes_in_group * lanes) {
            Vector spare[Vectors] = {};
            const auto add = [&](auto i, Vector codes, Vector entries) __attribute__((always_inline)) {
                narrow[i] = _mm512_add_epi16(narrow[i], _mm512_permutexvar_epi16(codes, entries));
                PENTANET_KEEP(narrow[i]);  // as in dot_form
            };
            unroll<words_of_row>(PENTANET_EACH(w) {
                Vector word[Vectors];
                unroll<static_cast<int>(word_bytes) / lanes>(
                    PENTANET_EACH(i) { prefetch(p + w * word_bytes + i * lanes); });
                unroll<Vectors>(PENTANET_EACH(i) {
                    word[i] = loaded(p + w * word_bytes + i * lanes);
                    spare[i] = _mm512_shldi_epi16(spare[i], word[i], 1);
                });
                unroll<codes_of_word>(PENTANET_EACH(k) {
                    const Vector entries = loaded(table + (codes_of_word * w + k) * lanes);
                    unroll<Vectors>(PENTANET_EACH(i) {
                        add(i, word[i], entries);
                        if constexpr (k + 1 < codes_of_word) word[i] = _mm512_srli_epi16(word[i], 5);
                    });
                });
            });
            const Vector entries = loaded(table + words_of_row * codes_of_word * lanes);
            unroll<Vectors>(PENTANET_EACH(i) { add(i, spare[i], entries); });
        }
        groups -= now;
        unroll<Vectors>(PENTANET_EACH(i) {
            even[i] = _mm512_add_epi32(even[i], _mm512_srai_epi32(_mm512_slli_epi32(narrow[i], 16), 16));
            odd[i] = _mm512_add_epi32(odd[i], _mm512_srai_epi32(narrow[i], 16));
        });
    }
    unroll<Vectors>(PENTANET_EACH(i) {  // even places hold the rows 0 to 7 of a tile, odd ones 8 to 15
        unroll<2>(PENTANET_EACH(tile) {
            if (2 * i + tile < tiles) {
                std::int32_t* out = sums + (2 * i + tile) * tile_rows;
                add_eight(out, _mm512_extracti64x4_epi64(even[i], tile));
                add_eight(out + 8, _mm512_extracti64x4_epi64(odd[i], tile));
            }
        });
    });
}

void dot_sparse_words(const TileGroups& tiles, Tokens tables, std::int32_t* sums) {
    constexpr int together = strip_tiles;
    for (int t = 0; t < tables.count; ++t, tables.values += tables.stride) {
        const auto* table = reinterpret_cast<const std::uint8_t*>(tables.values);
        const std::uint8_t* p = tiles.first;
        for (int left = tiles.tiles; left > 0; left -= together, p += tiles.tile_bytes) {
            if (left > 2)
                look_up_sparse_words<2>(p, tiles.groups, left < together ? left : together, table, sums);
            else
                look_up_sparse_words<1>(p, tiles.groups, left, table, sums);
            sums += (left < together ? left : together) * tile_rows;
        }
    }
}

void unpack_sparse_words(const std::uint8_t* tile, int groups, std::uint8_t* panel) {
    for (int group = 0; group < groups; ++group, tile += word_group_bytes, panel += word_codes_in_group * lanes) {
        Vector spare = _mm512_setzero_si512();
        unroll<words_of_row>(PENTANET_EACH(w) {
            const std::uint8_t* p = tile + w * word_bytes;
            _mm_prefetch(reinterpret_cast<const char*>(p) + unpack_ahead, _MM_HINT_T0);
            const __m256i pairs = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
            const Vector word = _mm512_inserti64x4(_mm512_castsi256_si512(pairs), _mm256_srli_epi32(pairs, 16), 1);
            unroll<codes_of_word>(PENTANET_EACH(k) {
                store(panel + (codes_of_word * w + k) * lanes, sparse_quad(_mm512_srli_epi32(word, 5 * k)));
            });
            spare = _mm512_or_si512(_mm512_slli_epi32(spare, 1),
                                    _mm512_and_si512(_mm512_srli_epi32(word, 15), _mm512_set1_epi32(1)));
        });
        store(panel + words_of_row * codes_of_word * lanes, sparse_quad(spare));
    }
}

// sparse_ternary_5bit to words, group by group into two.
void repack_sparse_words(const std::uint8_t* tile, int cols, std::uint8_t* out) {
    constexpr Geometry from = geometry(Layout::sparse_ternary_5bit);
    for (int left = geometry(Layout::sparse_ternary_words).groups(cols); left > 0; tile += from.group_bytes) {
        Vector code[from.digits];
        sparse_codes_of(tile, [&](Vector codes, auto d) { code[d] = _mm512_and_si512(codes, _mm512_set1_epi32(31)); });
        for (const Vector* c = code; c != code + from.digits && left > 0;
             c += word_codes_in_group, --left, out += word_group_bytes)
            unroll<words_of_row>(PENTANET_EACH(w) {
                Vector word = _mm512_and_si512(_mm512_srli_epi32(c[word_codes_in_group - 1], words_of_row - 1 - w),
                                               _mm512_set1_epi32(1));
                unroll<codes_of_word>(PENTANET_EACH(k) {
                    word = _mm512_or_si512(_mm512_slli_epi32(word, 5), c[codes_of_word * w + codes_of_word - 1 - k]);
                });
                const __m256i lower = _mm512_castsi512_si256(word), upper = _mm512_extracti64x4_epi64(word, 1);
                _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + w * word_bytes),
                                    _mm256_or_si256(lower, _mm256_slli_epi32(upper, 16)));
            });
    }
}

constexpr Lookups sparse_word_lookups{
    .group_bytes = word_codes_in_group * lanes,
    .offset = -1,
    .build = build_sparse_words,
    .dot = dot_sparse_words,
};

Kernels reads_sparse_words() {
    return {
        .in_memory = Layout::sparse_ternary_words,
        .dot = nullptr,
        .multiply = nullptr,
        .unpack = unpack_sparse_words,
        .repack = repack_sparse_words,
        .lookups = &sparse_word_lookups,
        .strip = sparse_word_strip,
    };
}

}  // namespace
}  // namespace pentanet
