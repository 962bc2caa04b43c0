// Kernels for aarch64 with the dot product of bytes (ARMv8.2, FEAT_DotProd): 4 rows x 4 inputs to a vector.
//
// sdot multiplies signed bytes and adds each four products to a sum of 32 bits. That is exact for signed levels and for
// digits, which are below 128, so both share the kernels. Its last operand may be one word of a register: activations
// are loaded two words at a time and need no broadcast.

#include <arm_neon.h>

#if defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#elif defined(__APPLE__)
#include <sys/sysctl.h>
#endif

#include "kernels/float_ops.h"
#include "kernels/scaling.h"
#include "kernels/unroll.h"
#include "pentanet/isa.h"
#include "product/repack.h"

namespace pentanet {
namespace {

using Bytes = uint8x16_t;
using Sums = int32x4_t;

constexpr int vector_bytes = 16;
constexpr int tile_vectors = lanes / vector_bytes;
constexpr int vector_rows = tile_rows / tile_vectors;

// One or two words of activations, and no byte behind them: they may end where the memory ends.
template <int Words>
[[gnu::always_inline]] inline int8x8_t load_words(const std::int8_t* x) {
    if constexpr (Words == 2) return vld1_s8(x);
    std::int32_t word;
    std::memcpy(&word, x, sizeof word);
    return vreinterpret_s8_s32(int32x2_t{word, 0});
}

// sum[t][v] += digit[v][First + w] * word w of token t, for one or two words.
template <int First, int Words, int Count, int Vectors, int Digits>
[[gnu::always_inline]] inline void multiply(Sums (&sum)[Count][Vectors], const Bytes (&digit)[Vectors][Digits],
                                            const std::int8_t* x, std::ptrdiff_t stride) {
    unroll<Count>(PENTANET_EACH(t) {
        const int8x8_t words = load_words<Words>(x + t * stride);
        unroll<Words>(PENTANET_EACH(w) {
            unroll<Vectors>(PENTANET_EACH(v) {
                constexpr int word = decltype(w)::value;
                sum[t][v] = vdotq_lane_s32(sum[t][v], vreinterpretq_s8_u8(digit[v][First + w]), words, word);
            });
        });
    });
}

// The digits of 16 lanes.
template <Layout L>
[[gnu::always_inline]] inline void decode(Bytes v, Bytes* digit) {
    if constexpr (L == Layout::pentanary_nibbles) {
        constexpr Bytes third{0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4};
        constexpr Bytes rest{0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2};
        const Bytes low = v & 15, high = v >> 4;
        digit[0] = vqtbl1q_u8(third, low);
        digit[1] = vqtbl1q_u8(rest, low) + vqtbl1q_u8(rest, high);
        digit[2] = vqtbl1q_u8(third, high);
    } else {
        constexpr int digits = geometry(L).digits, bits = 8 / digits;
        constexpr auto mask = static_cast<std::uint8_t>((1 << bits) - 1);
        unroll<digits>(PENTANET_EACH(d) {
            const Bytes shifted = v >> (d * bits);
            digit[d] = d + 1 == digits ? shifted : shifted & mask;
        });
    }
}

// How many vectors of a tile are taken in one pass: as many as the 32 registers hold with their sums and digits.
constexpr int vectors_at_once(int tokens, int digits) {
    constexpr int free = 32 - 6;  // 6 for look-ups, masks and activations
    return 4 * (tokens + digits) <= free ? 4 : 2 * (tokens + digits) <= free ? 2 : 1;
}

// Count tokens x (4 * Vectors) rows of a tile.
template <Layout L, int Count, int Vectors>
void dot_rows(const std::uint8_t* p, int groups, Tokens tokens, std::int32_t* sums) {
    constexpr int digits = geometry(L).digits;
    const std::int8_t* x = tokens.values;
    Sums sum[Count][Vectors] = {};
    for (int group = 0; group < groups; ++group, p += lanes, x += quad * digits) {
        Bytes digit[Vectors][digits];
        unroll<Vectors>(PENTANET_EACH(v) { decode<L>(vld1q_u8(p + v * vector_bytes), digit[v]); });
        unroll<digits / 2>(PENTANET_EACH(pair) {
            multiply<2 * decltype(pair)::value, 2>(sum, digit, x + 2 * pair * quad, tokens.stride);
        });
        if constexpr (digits % 2 == 1) multiply<digits - 1, 1>(sum, digit, x + (digits - 1) * quad, tokens.stride);
    }
    unroll<Count>(PENTANET_EACH(t) {
        unroll<Vectors>(PENTANET_EACH(v) { vst1q_s32(sums + t * tile_rows + v * vector_rows, sum[t][v]); });
    });
}

// Passes after the first find the tile in the cache.
template <Layout L, int Count>
void dot_count(const std::uint8_t* tile, int groups, Tokens tokens, std::int32_t* sums) {
    constexpr int vectors = vectors_at_once(Count, geometry(L).digits);
    for (int v = 0; v < tile_vectors; v += vectors)
        dot_rows<L, Count, vectors>(tile + v * vector_bytes, groups, tokens, sums + v * vector_rows);
}

template <Layout L>
void dot(const std::uint8_t* tile, int groups, Tokens tokens, std::int32_t* sums) {
    with_count<fused_tokens>(tokens.count, [&](auto count) { dot_count<L, count>(tile, groups, tokens, sums); });
}

template <Layout L>
void unpack(const std::uint8_t* tile, int groups, std::uint8_t* panel) {
    constexpr int digits = geometry(L).digits;
    for (int group = 0; group < groups; ++group, tile += lanes, panel += digits * lanes) {
        for (int v = 0; v < lanes; v += vector_bytes) {
            Bytes digit[digits];
            decode<L>(vld1q_u8(tile + v), digit);
            unroll<digits>(PENTANET_EACH(d) { vst1q_u8(panel + d * lanes + v, digit[d]); });
        }
    }
}

// Loads some quads of a tile of a panel and multiplies them.
template <int Quads, int Count>
[[gnu::always_inline]] inline void panel_step(Sums (&sum)[Count][tile_vectors], const std::uint8_t* p,
                                              const std::int8_t* x, std::ptrdiff_t stride) {
    Bytes digit[tile_vectors][Quads];
    unroll<tile_vectors>(PENTANET_EACH(v) {
        unroll<Quads>(PENTANET_EACH(q) { digit[v][q] = vld1q_u8(p + q * lanes + v * vector_bytes); });
    });
    multiply<0, Quads>(sum, digit, x, stride);
}

template <int Count>
void panel_block(const Panel& panel, Tokens tokens, std::int32_t* sums) {
    const int stride = panel.tiles * tile_rows;
    for (int tile = 0; tile < panel.tiles; ++tile, sums += tile_rows) {
        Sums sum[Count][tile_vectors];
        unroll<Count>(PENTANET_EACH(t) {
            unroll<tile_vectors>(PENTANET_EACH(v) { sum[t][v] = vld1q_s32(sums + t * stride + v * vector_rows); });
        });
        const std::uint8_t* p = panel.tile(tile);
        const std::int8_t* x = tokens.values;
        int left = panel.quads;
        for (; left >= 2; left -= 2, p += 2 * lanes, x += 2 * quad) panel_step<2>(sum, p, x, tokens.stride);
        if (left == 1) panel_step<1>(sum, p, x, tokens.stride);
        unroll<Count>(PENTANET_EACH(t) {
            unroll<tile_vectors>(PENTANET_EACH(v) { vst1q_s32(sums + t * stride + v * vector_rows, sum[t][v]); });
        });
    }
}

void panel_dot(const Panel& panel, Tokens tokens, std::int32_t* sums) {
    constexpr int block = 4;  // 16 sums, 8 vectors of digits and 4 of activations in 32 registers
    int left = tokens.count;
    for (; left >= block; left -= block) {
        panel_block<block>(panel, tokens, sums);
        tokens.values += block * tokens.stride;
        sums += block * panel.tiles * tile_rows;
    }
    with_count<block - 1>(left, [&](auto count) { panel_block<count>(panel, tokens, sums); });
}

template <Layout L>
constexpr Kernels reads(Repack repack = nullptr) {
    return {
        .in_memory = L,
        .dot = dot<L>,
        .multiply = multiply_tiles<dot<L>>,
        .unpack = unpack<L>,
        .repack = repack,
    };
}

// As for AVX2: base-5 digits in 7 bits and base-3 fractions cost more to take apart than reading a few more bytes.
Kernels kernels(Layout layout, int, int) {
    switch (layout) {
        case Layout::pentanary_7bit: return reads<Layout::pentanary_nibbles>(repack_pentanary);
        case Layout::pentanary_nibbles: return reads<Layout::pentanary_nibbles>();
        case Layout::ternary_5in8: return reads<Layout::ternary_2bit>(repack_ternary);
        case Layout::sparse_ternary_5bit: return reads<Layout::ternary_2bit>(repack_sparse);
        case Layout::ternary_2bit: return reads<Layout::ternary_2bit>();
        case Layout::binary_1bit: return reads<Layout::binary_1bit>();
        case Layout::nibble: return reads<Layout::nibble>();
        default: break;
    }
    return reads<Layout::byte>();
}

std::uint64_t read(const std::uint8_t* bytes, std::size_t size) {
    constexpr int sums = 8, prefetch_ahead = 8192;
    Bytes sum[sums] = {};
    for (std::size_t i = 0; i < size; i += sums * vector_bytes) {
        __builtin_prefetch(bytes + i + prefetch_ahead);
        __builtin_prefetch(bytes + i + prefetch_ahead + lanes);
        unroll<sums>(PENTANET_EACH(s) { sum[s] = veorq_u8(sum[s], vld1q_u8(bytes + i + s * vector_bytes)); });
    }
    for (int s = 1; s < sums; ++s) sum[0] = veorq_u8(sum[0], sum[s]);
    const uint64x2_t words = vreinterpretq_u64_u8(sum[0]);
    return vgetq_lane_u64(words, 0) ^ vgetq_lane_u64(words, 1);
}

std::int64_t multiply(std::int64_t rounds) {
    constexpr int sums = 16;
    Sums sum[sums] = {};
    int8x16_t digits = vdupq_n_s8(2), x = vdupq_n_s8(3);
    for (std::int64_t round = 0; round < rounds; ++round)
        unroll<sums>(PENTANET_EACH(s) {
            asm volatile("" : "+w"(digits), "+w"(x));  // new values, for all that the compiler knows
            sum[s] = vdotq_s32(sum[s], digits, x);
            asm volatile("" : "+w"(sum[s]));
        });
    return rounds * sums * vector_bytes;
}

bool supported() {
#if defined(__linux__)
    return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
#elif defined(__APPLE__)
    int found = 0;
    std::size_t size = sizeof found;
    return sysctlbyname("hw.optional.arm.FEAT_DotProd", &found, &size, nullptr, 0) == 0 && found != 0;
#else
    return false;  // no way known to ask: the oracle is slow and right
#endif
}

}  // namespace

extern const Isa neon_isa;
const Isa neon_isa{
    .name = "neon",
    .supported = supported,
    .kernels = kernels,
    .panel_tiles = 1,
    .panel_dot = panel_dot,
    .scale_sums = scale_sums,
    .ops = floats::all,
    .probes = {.read = read, .multiply = multiply},
};

}  // namespace pentanet
