// Sparse ternary codes for AVX-512: 5 bits of a row's 32-bit word pick the digits of four inputs from a table of 32
// words. A group is five vectors, one word of each of 16 rows. Internal linkage, as in float_ops.h.
#pragma once

#include <bit>

#include "kernels/avx512/vectors.h"
#include "kernels/scaling.h"

namespace pentanet {
namespace {

struct SparseDigitWords {
    alignas(64) std::uint32_t word[32];
};
constexpr SparseDigitWords sparse_digit_words = [] {
    SparseDigitWords s{};
    for (std::size_t code = 0; code < 32; ++code) s.word[code] = std::bit_cast<std::uint32_t>(sparse_digits[code]);
    return s;
}();

// The digits for the code in the lowest 5 bits of each word.
inline Vector sparse_quad(Vector codes) {
    return _mm512_permutex2var_epi32(load(sparse_digit_words.word), codes, load(sparse_digit_words.word + 16));
}

// Calls use(codes in the lowest 5 bits, index of the quad) for the 32 quads of a group. The two last codes are in the
// spare bits of all words: those of the first word on top, so it comes last.
template <class Use>
[[gnu::always_inline]] inline void sparse_codes_of(const std::uint8_t* group, Use use) {
    const Vector top = _mm512_set1_epi32(static_cast<std::int32_t>(0xC0000000));
    Vector spare = _mm512_setzero_si512();
    unroll<5>(PENTANET_EACH(i) {
        constexpr int index = 4 - i;
        const Vector word = load(group + index * lanes);
        spare = _mm512_or_si512(_mm512_srli_epi32(spare, 2), _mm512_and_si512(word, top));
        unroll<6>(
            PENTANET_EACH(k) { use(_mm512_srli_epi32(word, 5 * k), std::integral_constant<int, 6 * index + k>{}); });
    });
    use(_mm512_srli_epi32(spare, 27), std::integral_constant<int, 30>{});
    use(_mm512_srli_epi32(spare, 22), std::integral_constant<int, 31>{});
}

// The same with their digits.
template <class Use>
[[gnu::always_inline]] inline void sparse_group(const std::uint8_t* group, Use use) {
    sparse_codes_of(group, [&](Vector codes, auto d) __attribute__((always_inline)) { use(sparse_quad(codes), d); });
}

template <int Count>
void dot_sparse_count(const std::uint8_t* p, int groups, Tokens tokens, std::int32_t* sums) {
    constexpr Geometry g = geometry(Layout::sparse_ternary_5bit);
    constexpr int chains = enough_sums / Count > 1 ? enough_sums / Count : 1;
    const std::int8_t* x = tokens.values;
    Vector sum[chains][Count] = {};
    for (int group = 0; group < groups; ++group, p += g.group_bytes, x += g.inputs()) {
        unroll<g.group_bytes / lanes>(PENTANET_EACH(i) { prefetch(p + i * lanes); });
        sparse_group(p, [&](Vector digits, auto d) __attribute__((always_inline)) {
            unroll<Count>(PENTANET_EACH(t) {
                Vector more =
                    _mm512_dpbusd_epi32(sum[d % chains][t], digits, broadcast(x + t * tokens.stride + d * quad));
                PENTANET_KEEP(more);  // as in dot_form
                sum[d % chains][t] = more;
            });
        });
    }
    unroll<Count>(PENTANET_EACH(t) {
        Vector all = sum[0][t];
        unroll<chains - 1>(PENTANET_EACH(i) { all = _mm512_add_epi32(all, sum[i + 1][t]); });
        store(sums + t * tile_rows, all);
    });
}

void dot_sparse(const std::uint8_t* tile, int groups, Tokens tokens, std::int32_t* sums) {
    with_count<fused_tokens>(tokens.count, [&](auto count) { dot_sparse_count<count>(tile, groups, tokens, sums); });
}

void unpack_sparse(const std::uint8_t* tile, int groups, std::uint8_t* panel) {
    constexpr Geometry g = geometry(Layout::sparse_ternary_5bit);
    for (int group = 0; group < groups; ++group, tile += g.group_bytes, panel += g.digits * lanes) {
        unroll<g.group_bytes / lanes>(PENTANET_EACH(i) {
            _mm_prefetch(reinterpret_cast<const char*>(tile) + i * lanes + unpack_ahead, _MM_HINT_T0);
        });
        sparse_group(tile,
                     [&](Vector digits, auto d) __attribute__((always_inline)) { store(panel + d * lanes, digits); });
    }
}

constexpr Kernels reads_sparse() {
    return {
        .in_memory = Layout::sparse_ternary_5bit,
        .dot = dot_sparse,
        .multiply = multiply_tiles<dot_sparse>,
        .unpack = unpack_sparse,
        .repack = nullptr,
    };
}

}  // namespace
}  // namespace pentanet
