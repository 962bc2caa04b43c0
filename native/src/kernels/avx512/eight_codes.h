// Layouts in memory whose groups are eight codes for each of 64 lanes, three digits in a code, for AVX-512. Most codes
// are the low bits of a byte and are looked up in place; the spare bits of the bytes hold the others. Internal linkage,
// as in float_ops.h.
#pragma once

#include "kernels/avx512/digits.h"
#include "kernels/scaling.h"

namespace pentanet {
namespace {

constexpr int code_digits = 3, eight = 8;

// A form calls use(digits, index of the quad, index of the sums) for the 24 quads of a group. Where digits may be
// `apart`, those of one place in a code go to sums of their own, 2^shift[place] too large.

// Base-5 digits in codes of 7 bits. The top bits of seven vectors are those of the eighth; look-ups of 128 entries
// ignore them.
struct PentanaryEightCodes {
    static constexpr Layout layout = Layout::pentanary_planes;
    static constexpr int shift[code_digits] = {0, 2, 5};

    template <bool Apart, class Use>
    [[gnu::always_inline]] static void group(const std::uint8_t* p, Use use) {
        const Vector top = bytes(128);
        const auto digits = [&](Vector code, auto c) __attribute__((always_inline)) {
            const Vector sums =
                _mm512_permutex2var_epi8(load(plane_codes.sums.data()), code, load(plane_codes.sums.data() + lanes));
            const auto at = [&](auto place) __attribute__((always_inline)) {
                if constexpr (Apart) return _mm512_and_si512(sums, bytes(7 << shift[place]));
                return _mm512_and_si512(_mm512_srli_epi16(sums, shift[place]), bytes(7));
            };
            use(_mm512_and_si512(_mm512_add_epi8(code, sums), bytes(7)), std::integral_constant<int, code_digits * c>{},
                std::integral_constant<int, 0>{});
            unroll<2>(PENTANET_EACH(i) {
                const std::integral_constant<int, i + 1> place;
                use(at(place), std::integral_constant<int, code_digits * c + place>{}, place);
            });
        };
        // The product of bit matrices takes the top bits of eight lanes to one byte, the first lane's to bit 7; then,
        // all bytes together being a matrix, it transposes them.
        Vector tops = _mm512_setzero_si512();
        unroll<eight - 1>(PENTANET_EACH(c) {
            const Vector code = load(p + c * lanes);
            tops = _mm512_mask_gf2p8affine_epi64_epi8(tops, 0x8080808080808080 >> c, top, code, 0);
            digits(code, c);
        });
        const Vector transposed = _mm512_gf2p8affine_epi64_epi8(_mm512_set1_epi64(0x0102040810204080), tops, 0);
        digits(transposed, std::integral_constant<int, eight - 1>{});
    }
};

// Base-3 digits in codes of 5 bits. Look-ups have 64 entries: they ignore bits 6 and 7, and are the same with and
// without 5.
struct TernaryEightCodes {
    static constexpr Layout layout = Layout::ternary_3in5;
    static constexpr int shift[code_digits] = {0, 2, 4};

    struct Tables {
        alignas(64) std::uint8_t digit[code_digits][lanes], fields[lanes];  // digits where they are `apart`
    };
    template <bool Apart>
    static constexpr Tables tables = [] {
        Tables t{};
        for (unsigned i = 0; i < lanes; ++i) {
            const unsigned code = i % 32, digit[code_digits] = {code % 3, code / 3 % 3, code / 9};
            for (unsigned d = 0; d < code_digits; ++d) {
                t.digit[d][i] = static_cast<std::uint8_t>(digit[d] << (Apart ? shift[d] : 0));
                t.fields[i] = static_cast<std::uint8_t>(t.fields[i] | digit[d] << shift[d]);
            }
        }
        return t;
    }();

    template <bool Apart, class Use>
    [[gnu::always_inline]] static void group(const std::uint8_t* p, Use use) {
        const auto digits = [&](Vector code, auto c) __attribute__((always_inline)) {
            // Look-ups alone, or one and masks, keep different units busy: they take turns.
            const Vector fields =
                Apart && c % 2 == 0 ? _mm512_permutexvar_epi8(code, load(tables<Apart>.fields)) : code;
            unroll<code_digits>(PENTANET_EACH(place) {
                Vector digit;
                if constexpr (Apart && c % 2 == 0)
                    digit = _mm512_and_si512(fields, bytes(3 << shift[place]));
                else
                    digit = _mm512_permutexvar_epi8(code, load(tables<Apart>.digit[place]));
                use(digit, std::integral_constant<int, code_digits * c + place>{}, place);
            });
        };
        Vector byte[5];
        unroll<5>(PENTANET_EACH(c) { byte[c] = load(p + c * lanes); });
        unroll<5>(PENTANET_EACH(c) { digits(byte[c], c); });
        const auto down = [&](auto c, unsigned by)
                              __attribute__((always_inline)) { return _mm512_srli_epi16(byte[c], by); };
        const auto choose = [](int mask, Vector a, Vector b) {
            return _mm512_ternarylogic_epi32(bytes(mask), a, b, 0xCA);
        };
        const std::integral_constant<int, 0> zero;
        const std::integral_constant<int, 1> one;
        const std::integral_constant<int, 2> two;
        const std::integral_constant<int, 3> three;
        const std::integral_constant<int, 4> four;
        digits(choose(7, down(zero, 5), down(one, 2)), std::integral_constant<int, 5>{});
        digits(choose(7, down(two, 5), down(three, 2)), std::integral_constant<int, 6>{});
        digits(choose(7, down(four, 5), choose(8, down(one, 4), down(three, 3))), std::integral_constant<int, 7>{});
    }
};

template <class Form, int Count>
void dot_eight_codes_count(const std::uint8_t* p, int groups, Tokens tokens, std::int32_t* sums) {
    constexpr Geometry g = geometry(Form::layout);
    constexpr bool apart = Count * code_digits <= most_sums;
    constexpr int kinds = apart ? code_digits : 1, wanted = enough_sums / (Count * kinds),
                  chains = wanted > 0 ? wanted : 1;
    static_assert(std::int64_t{max_cols} / code_digits * (g.largest << Form::shift[code_digits - 1]) * 127 < INT32_MAX);
    const std::int8_t* x = tokens.values;
    Vector sum[chains][Count][kinds] = {};
    for (int group = 0; group < groups; ++group, p += g.group_bytes, x += g.inputs()) {
        unroll<g.group_bytes / lanes>(PENTANET_EACH(i) { prefetch(p + i * lanes); });
        Form::template group<apart>(p, [&](Vector digits, auto d, auto place) __attribute__((always_inline)) {
            constexpr int kind = apart ? place : 0, chain = d / code_digits % chains;
            unroll<Count>(PENTANET_EACH(t) {
                Vector more =
                    _mm512_dpbusd_epi32(sum[chain][t][kind], digits, broadcast(x + t * tokens.stride + d * quad));
                PENTANET_KEEP(more);  // as in dot_form
                sum[chain][t][kind] = more;
            });
        });
    }
    unroll<Count>(PENTANET_EACH(t) {
        Vector all = _mm512_setzero_si512();
        unroll<kinds>(PENTANET_EACH(kind) {
            Vector of_kind = sum[0][t][kind];
            unroll<chains - 1>(PENTANET_EACH(i) { of_kind = _mm512_add_epi32(of_kind, sum[i + 1][t][kind]); });
            all = _mm512_add_epi32(all, _mm512_srai_epi32(of_kind, static_cast<unsigned>(Form::shift[kind])));
        });
        store(sums + t * tile_rows, all);
    });
}

template <class Form>
void dot_eight_codes(const std::uint8_t* tile, int groups, Tokens tokens, std::int32_t* sums) {
    with_count<fused_tokens>(tokens.count,
                             [&](auto count) { dot_eight_codes_count<Form, count>(tile, groups, tokens, sums); });
}

template <class Form>
void unpack_eight_codes(const std::uint8_t* tile, int groups, std::uint8_t* panel) {
    constexpr Geometry g = geometry(Form::layout);
    for (int group = 0; group < groups; ++group, tile += g.group_bytes, panel += g.digits * lanes) {
        unroll<g.group_bytes / lanes>(PENTANET_EACH(i) {
            _mm_prefetch(reinterpret_cast<const char*>(tile) + i * lanes + unpack_ahead, _MM_HINT_T0);
        });
        Form::template group<false>(tile, [&](Vector digits, auto d, auto)
                                              __attribute__((always_inline)) { store(panel + d * lanes, digits); });
    }
}

// pentanary_7bit to pentanary_planes: eight groups become one. Padding after the last one may be any code.
void repack_planes(const std::uint8_t* tile, int cols, std::uint8_t* out) {
    constexpr Layout from = Layout::pentanary_7bit;
    for (int left = geometry(from).groups(cols); left > 0;
         left -= eight, out += geometry(Layout::pentanary_planes).group_bytes) {
        Vector code[eight];
        for (int i = 0; i < eight; ++i, tile += geometry(from).group_bytes) {
            const Vector seven_bits = i < left ? codes(load_last<from>(tile)) : _mm512_setzero_si512();
            code[i] =
                _mm512_permutex2var_epi8(load(plane_codes.of.data()), seven_bits, load(plane_codes.of.data() + lanes));
        }
        for (int i = 0; i < eight - 1; ++i) {
            const Vector at_top = _mm512_sll_epi16(code[eight - 1], _mm_cvtsi32_si128(7 - i));
            store(out + i * lanes, _mm512_ternarylogic_epi32(bytes(127), code[i], at_top, 0xCA));
        }
    }
}

// ternary_5in8 to ternary_3in5: digits flow from groups of five quads into groups of 24.
void repack_3in5(const std::uint8_t* tile, int cols, std::uint8_t* out) {
    constexpr Geometry from = geometry(Layout::ternary_5in8), to = geometry(Layout::ternary_3in5);
    Vector digit[to.digits + from.digits];
    int filled = 0, left = from.groups(cols);
    for (int group = 0; group < to.groups(cols); ++group, out += to.group_bytes) {
        for (; filled < to.digits; filled += from.digits) {
            if (left-- > 0)
                decode<Layout::ternary_5in8>(load(tile), digit + filled);
            else
                for (int d = 0; d < from.digits; ++d) digit[filled + d] = _mm512_setzero_si512();
            tile += from.group_bytes;
        }
        Vector code[eight];
        for (int i = 0; i < eight; ++i) {
            const Vector* d = digit + code_digits * i;
            code[i] = _mm512_add_epi8(d[0], times_three(_mm512_add_epi8(d[1], times_three(d[2]))));
        }
        const auto bits = [](Vector v, int mask, int up) {  // those of the mask, moved up or down
            const Vector some = _mm512_and_si512(v, bytes(mask));
            return up < 0 ? _mm512_srl_epi16(some, _mm_cvtsi32_si128(-up))
                          : _mm512_sll_epi16(some, _mm_cvtsi32_si128(up));
        };
        const Vector middle = _mm512_or_si512(bits(code[5], 24, 2), bits(code[7], 8, 4));
        const Vector upper = _mm512_or_si512(bits(code[6], 24, 2), bits(code[7], 16, 3));
        const Vector rest[5] = {bits(code[5], 7, 5), middle, bits(code[6], 7, 5), upper, bits(code[7], 7, 5)};
        for (int i = 0; i < 5; ++i) store(out + i * lanes, _mm512_or_si512(code[i], rest[i]));
        filled -= to.digits;
        for (int d = 0; d < filled; ++d) digit[d] = digit[to.digits + d];
    }
}

template <class Form>
constexpr Kernels reads_eight_codes(Repack repack) {
    return {
        .in_memory = Form::layout,
        .dot = dot_eight_codes<Form>,
        .multiply = multiply_tiles<dot_eight_codes<Form>>,
        .unpack = unpack_eight_codes<Form>,
        .repack = repack,
    };
}

}  // namespace
}  // namespace pentanet
