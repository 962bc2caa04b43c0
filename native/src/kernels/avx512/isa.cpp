// Kernels for AVX-512 with VNNI and VBMI. A group is one vector, 16 rows x 4 inputs; vpdpbusd multiplies it by four
// broadcast activations and adds the products to sums of 32 bits, one for each row.

#include "pentanet/isa.h"
#include "kernels/avx512/digits.h"
#include "kernels/avx512/eight_codes.h"
#include "kernels/avx512/sparse.h"
#include "kernels/avx512/sparse_words.h"
#include "kernels/avx512/vectors.h"
#include "kernels/float_ops.h"
#include "kernels/scaling.h"
#include "kernels/unroll.h"
#include "pentanet/decode.h"

namespace pentanet {
namespace {

// A form says how a group is multiplied: products() gives each vector of unsigned bytes, the index of the quad of
// inputs that it multiplies, and the index of the sums that it goes to. total() makes of `sums` vectors of sums the one
// wanted.

// Digits, taken out one by one.
template <Layout L, int Count>
struct Digits {
    static constexpr int digits = geometry(L).digits;
    static constexpr int sums = most_sums / Count < digits ? most_sums / Count : digits;

    template <class Add>
    [[gnu::always_inline]] static void products(Vector v, Add add) {
        Vector digit[digits];
        decode<L>(v, digit);
        unroll<digits>(PENTANET_EACH(d) { add(digit[d], d, std::integral_constant<int, d % sums>{}); });
    }

    static Vector total(const Vector* sum) {
        Vector all = sum[0];
        unroll<sums - 1>(PENTANET_EACH(i) { all = _mm512_add_epi32(all, sum[i + 1]); });
        return all;
    }
};

// Bit fields, multiplied in place: the sums of fields that begin at bit b are 2^b too large. They still fit
// 32 bits, with 1/2 of all inputs in nibbles times 240, the worst case. Where there are not enough registers for the
// sums of all fields, the upper ones move down to the places of the lower ones.
template <Layout L, int Count>
struct Fields {
    static constexpr int digits = geometry(L).digits;
    static constexpr int sums = Count * digits <= most_sums       ? digits
                                : Count * digits / 2 <= most_sums ? digits / 2
                                                                  : digits / 4;
    static_assert(std::int64_t{max_cols} / 2 * 240 * 127 < INT32_MAX && sums > 0);

    template <class Add>
    [[gnu::always_inline]] static void products(Vector v, Add add) {
        unroll<digits>(PENTANET_EACH(d) {
            add(field<bits<L>>(v, d * bits<L>, sums * bits<L>), d, std::integral_constant<int, d % sums>{});
        });
    }

    static Vector total(const Vector* sum) {
        Vector all = sum[0];
        unroll<sums - 1>(PENTANET_EACH(i) {
            all = _mm512_add_epi32(all, _mm512_srai_epi32(sum[i + 1], static_cast<unsigned>((i + 1) * bits<L>)));
        });
        return all;
    }
};

// Base-5 digits, each in its place in the code c = d0 + 5 d1 + 25 d2. One look-up gives h = 5 d1 + 25 d2, and one of h
// gives 25 d2, since h modulo 64 is different for each h; differences leave d0 and 5 d1. Sums of digits that are 5 or
// 25 times too large are divided at the end. Taking out each digit would be three look-ups of two registers, which
// compete with products for the same units; here it is one such, one of one register, and two subtractions.
struct Remainders {
    static constexpr int sums = 3;
    static_assert(std::int64_t{max_cols} / 3 * 125 * 127 < INT32_MAX);

    template <class Add>
    [[gnu::always_inline]] static void products(Vector v, Add add) {
        const Vector code = codes(v);
        const Vector upper = _mm512_permutex2var_epi8(load(spread.upper), code, load(spread.upper + lanes));
        const Vector top = _mm512_permutexvar_epi8(upper, load(spread.top));
        const Vector low = _mm512_and_si512(_mm512_sub_epi8(code, upper), bytes(7));  // without the bit behind the code
        add(low, std::integral_constant<int, 0>{}, std::integral_constant<int, 0>{});
        add(_mm512_sub_epi8(upper, top), std::integral_constant<int, 1>{}, std::integral_constant<int, 1>{});
        add(top, std::integral_constant<int, 2>{}, std::integral_constant<int, 2>{});
    }

    static Vector total(const Vector* sum) {  // exact divisions are products with the inverse modulo 2^32
        constexpr std::uint32_t fifth = 0xCCCCCCCD, fifth_of_fifth = 0xC28F5C29;
        static_assert(5 * fifth == 1 && 25 * fifth_of_fifth == 1);
        const auto times = [](Vector v, std::uint32_t factor) {
            return _mm512_mullo_epi32(v, _mm512_set1_epi32(static_cast<std::int32_t>(factor)));
        };
        return _mm512_add_epi32(sum[0], _mm512_add_epi32(times(sum[1], fifth), times(sum[2], fifth_of_fifth)));
    }
};

// Fractions q of five trits: with q' = 3 q modulo 256, a digit is (3 q - q') / 256, and so the sum of digit * x is
// (3 * sum of q x - sum of q' x) / 256. No digit is taken out; 2 products and 2 additions for 64 weights.
struct Fractions {
    static constexpr int sums = 2;
    static constexpr int most_groups = INT32_MAX / 256 / (2 * 127 * geometry(Layout::ternary_5in8).inputs());

    template <class Add>
    [[gnu::always_inline]] static void products(Vector q, Add add) {
        unroll<geometry(Layout::ternary_5in8).digits>(PENTANET_EACH(d) {
            add(q, d, std::integral_constant<int, 0>{});
            q = times_three(q);
            add(q, d, std::integral_constant<int, 1>{});
        });
    }

    static Vector total(const Vector* sum) {
        const Vector triple = _mm512_add_epi32(sum[0], _mm512_add_epi32(sum[0], sum[0]));
        return _mm512_srai_epi32(_mm512_sub_epi32(triple, sum[1]), 8);
    }
};

// Count tokens x 16 rows, in one pass over a tile.
template <Layout L, class Form, int Count>
void dot_form(const std::uint8_t* p, int groups, Tokens tokens, std::int32_t* sums) {
    constexpr int wanted = enough_sums / (Count * Form::sums), at_once = wanted > 0 ? wanted : 1;
    constexpr bool to_the_end = L == Layout::byte || L == Layout::nibble;  // see prefetch
    const std::int8_t* x = tokens.values;
    Vector sum[at_once][Count][Form::sums] = {};
    const auto multiply = [&](Vector v, auto part) __attribute__((always_inline)) {
        Form::products(v, [&](Vector digits, auto d, auto kind) __attribute__((always_inline)) {
            unroll<Count>(PENTANET_EACH(t) {
                const Vector four = broadcast(x + t * tokens.stride + d * quad);
                Vector more = _mm512_dpbusd_epi32(sum[part][t][kind], digits, four);
                PENTANET_KEEP(more);  // or gcc would load all activations first, and run out of registers
                sum[part][t][kind] = more;
            });
        });
        p += geometry(L).group_bytes;
        x += geometry(L).inputs();
    };
    for (; groups > at_once; groups -= at_once) {
        unroll<at_once>(PENTANET_EACH(part) {
            prefetch(p);
            multiply(load(p), part);
        });
    }
    for (; groups > 0; --groups) {
        if constexpr (to_the_end) prefetch(p);
        multiply(load_last<L>(p), std::integral_constant<int, 0>{});
    }
    if constexpr (L == Layout::byte) prefetch(p);
    unroll<Count>(PENTANET_EACH(t) {
        Vector all = Form::total(sum[0][t]);
        unroll<at_once - 1>(PENTANET_EACH(part) { all = _mm512_add_epi32(all, Form::total(sum[part + 1][t])); });
        store(sums + t * tile_rows, all);
    });
}

template <Layout L>
void dot(const std::uint8_t* tile, int groups, Tokens tokens, std::int32_t* sums) {
    with_count<fused_tokens>(tokens.count, [&](auto count) {
        if constexpr (L == Layout::ternary_5in8 && count <= 3)  // with more, it is the products that cost
            if (groups <= Fractions::most_groups) return dot_form<L, Fractions, count>(tile, groups, tokens, sums);
        if constexpr (L == Layout::pentanary_7bit && count * Remainders::sums <= most_sums)
            dot_form<L, Remainders, count>(tile, groups, tokens, sums);
        else if constexpr (has_fields<L> && !geometry(L).is_signed())
            dot_form<L, Fields<L, count>, count>(tile, groups, tokens, sums);
        else
            dot_form<L, Digits<L, count>, count>(tile, groups, tokens, sums);
    });
}

template <Layout L>
void unpack(const std::uint8_t* tile, int groups, std::uint8_t* panel) {
    constexpr int digits = geometry(L).digits;
    for (int group = 0; group < groups; ++group, tile += geometry(L).group_bytes, panel += digits * lanes) {
        _mm_prefetch(reinterpret_cast<const char*>(tile) + unpack_ahead, _MM_HINT_T0);
        Vector digit[digits];
        decode<L>(load_last<L>(tile), digit);
        unroll<digits>(PENTANET_EACH(d) { store(panel + d * lanes, digit[d]); });
    }
}

constexpr int panel_tiles = 4, panel_tokens = 6;  // 24 sums, 4 weights and 1 activation in 32 registers

template <int Tiles, int Count>
void panel_block(const Panel& panel, Tokens tokens, std::int32_t* sums) {
    const std::uint8_t* p = panel.digits;
    const std::int8_t* x = tokens.values;
    Vector sum[Count][Tiles];
    unroll<Count>(PENTANET_EACH(t) {
        unroll<Tiles>(PENTANET_EACH(i) { sum[t][i] = load(sums + (t * Tiles + i) * tile_rows); });
    });
    for (int q = 0; q < panel.quads; ++q, p += lanes, x += quad) {
        Vector digits[Tiles];
        unroll<Tiles>(PENTANET_EACH(i) { digits[i] = load(p + i * std::ptrdiff_t{panel.quads} * lanes); });
        unroll<Count>(PENTANET_EACH(t) {
            const Vector four = broadcast(x + t * tokens.stride);
            unroll<Tiles>(PENTANET_EACH(i) { sum[t][i] = _mm512_dpbusd_epi32(sum[t][i], digits[i], four); });
        });
    }
    unroll<Count>(PENTANET_EACH(t) {
        unroll<Tiles>(PENTANET_EACH(i) { store(sums + (t * Tiles + i) * tile_rows, sum[t][i]); });
    });
}

void panel_dot(const Panel& panel, Tokens tokens, std::int32_t* sums) {
    with_count<panel_tiles>(panel.tiles, [&](auto tiles) {
        int left = tokens.count;
        for (; left >= panel_tokens; left -= panel_tokens) {
            panel_block<tiles, panel_tokens>(panel, tokens, sums);
            tokens.values += panel_tokens * tokens.stride;
            sums += panel_tokens * tiles * tile_rows;
        }
        with_count<panel_tokens - 1>(left, [&](auto count) { panel_block<tiles, count>(panel, tokens, sums); });
    });
}

template <Layout L>
constexpr Kernels reads() {
    return {
        .in_memory = L,
        .dot = dot<L>,
        .multiply = multiply_tiles<dot<L>>,
        .unpack = unpack<L>,
        .repack = nullptr,
        .offset = geometry(L).is_signed() ? 128 : 0,
    };
}

// Groups of eight codes are read fastest, but scales that hold for few inputs cut them: then layouts are read in place.
Kernels kernels(Layout layout, int cols, int scale_groups) {
    constexpr int inputs = geometry(Layout::pentanary_planes).inputs();
    const int run = cols / scale_groups;
    if (run % inputs == 0 || run >= 10 * inputs) {
        if (layout == Layout::pentanary_7bit) return reads_eight_codes<PentanaryEightCodes>(repack_planes);
        if (layout == Layout::ternary_5in8) return reads_eight_codes<TernaryEightCodes>(repack_3in5);
    }
    if (layout == Layout::sparse_ternary_5bit && scale_groups == 1) return reads_sparse_words();
    switch (layout) {
        case Layout::pentanary_7bit: return reads<Layout::pentanary_7bit>();
        case Layout::ternary_5in8: return reads<Layout::ternary_5in8>();
        case Layout::ternary_2bit: return reads<Layout::ternary_2bit>();
        case Layout::sparse_ternary_5bit: return reads_sparse();
        case Layout::binary_1bit: return reads<Layout::binary_1bit>();
        case Layout::nibble: return reads<Layout::nibble>();
        default: return reads<Layout::byte>();
    }
}

std::uint64_t read(const std::uint8_t* data, std::size_t size) {
    constexpr int sums = 8;
    Vector sum[sums] = {};
    for (std::size_t i = 0; i < size; i += sums * lanes)
        unroll<sums>(PENTANET_EACH(s) {
            const std::uint8_t* p = data + i + s * lanes;
            _mm_prefetch(reinterpret_cast<const char*>(p) + probe_ahead, _MM_HINT_T0);
            sum[s] = _mm512_xor_si512(sum[s], load(p));
        });
    Vector all = sum[0];
    for (int s = 1; s < sums; ++s) all = _mm512_xor_si512(all, sum[s]);
    std::uint64_t word[8];
    store(word, all);
    return word[0] ^ word[1] ^ word[2] ^ word[3] ^ word[4] ^ word[5] ^ word[6] ^ word[7];
}

std::int64_t multiply(std::int64_t rounds) {
    Vector sum[enough_sums] = {}, digits = bytes(2), x = bytes(3);
    for (std::int64_t round = 0; round < rounds; ++round)
        unroll<enough_sums>(PENTANET_EACH(s) {
            sum[s] = _mm512_dpbusd_epi32(sum[s], digits, x);
            PENTANET_KEEP(sum[s]);
        });
    return rounds * enough_sums * lanes;
}

bool supported() {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni") &&
           __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("gfni") &&
           __builtin_cpu_supports("avx512vbmi2");
}

}  // namespace

extern const Isa avx512_isa;
const Isa avx512_isa{
    .name = "avx512",
    .supported = supported,
    .kernels = kernels,
    .panel_tiles = panel_tiles,
    .panel_dot = panel_dot,
    .scale_sums = scale_sums,
    .ops = floats::all,
    .probes = {.read = read, .multiply = multiply},
};

}  // namespace pentanet
