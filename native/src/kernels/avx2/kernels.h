// Kernels in vectors of 256 bits, 8 rows x 4 inputs: products of unsigned digits and signed activations. Shared by the
// sets avx2 and avx-vnni, which differ in how they multiply. Internal linkage, as in float_ops.h.
//
// A `Dot` is such a way to multiply:
//   add(sums, digits, activations)  adds products to sums that may be narrow
//   room(largest)                   how many sums of products with digits up to `largest` fit before widening
//   widen(sums)                     eight sums of 32 bits
//   signed_levels                   whether multiply(levels, activations) gives eight sums for signed bytes too; if
//                                   not, levels are moved up by 128, see Kernels::offset
#pragma once

#include <cpuid.h>

#include "kernels/avx2/repack.h"
#include "kernels/float_ops.h"
#include "kernels/intrinsics.h"
#include "kernels/scaling.h"
#include "kernels/unroll.h"
#include "pentanet/isa.h"
#include "product/repack.h"

namespace pentanet {
namespace {

using Vector = __m256i;

// Conversions of float16, which every processor with AVX2 has had so far. __builtin_cpu_supports knows "f16c" only in
// the newest compilers; for AVX2 it asks the operating system too.
inline bool has_avx2_and_f16c() {
    unsigned eax, ebx, ecx = 0, edx;
    return __builtin_cpu_supports("avx2") && __get_cpuid(1, &eax, &ebx, &ecx, &edx) && (ecx >> 29 & 1) != 0;
}

constexpr int half = 32;              // bytes of a vector: half a group
constexpr int prefetch_ahead = 4096;  // bytes
constexpr int probe_ahead = 8192;     // for a loop that does nothing else

inline Vector load(const void* p) { return _mm256_loadu_si256(static_cast<const Vector*>(p)); }
inline void store(void* p, Vector v) { _mm256_storeu_si256(static_cast<Vector*>(p), v); }

inline Vector broadcast(const std::int8_t* four) {
    std::int32_t word;
    std::memcpy(&word, four, sizeof word);
    return _mm256_set1_epi32(word);
}

// sums += products, right here: gcc would otherwise start all products first, run out of registers, and let one sum
// travel through memory, which halves the speed.
template <class Dot>
inline void accumulate(Vector& sums, Vector digits, Vector activations) {
    Dot::add(sums, digits, activations);
    PENTANET_KEEP(sums);
}

template <int Bits>
inline Vector field(Vector v, int shift) {
    return _mm256_and_si256(_mm256_srli_epi16(v, shift), _mm256_set1_epi8(static_cast<char>((1 << Bits) - 1)));
}

inline Vector table(char a0, char a1, char a2, char a3, char a4, char a5, char a6, char a7, char a8, char a9, char a10,
                    char a11, char a12, char a13, char a14) {
    return _mm256_broadcastsi128_si256(
        _mm_setr_epi8(a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, 0));
}

// The digits of 32 lanes.
template <class Dot, Layout L>
inline void decode(Vector v, Vector* digit) {
    if constexpr (L == Layout::pentanary_nibbles) {
        const Vector third = table(0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4);
        const Vector rest = table(0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2);
        const Vector low = field<4>(v, 0), high = field<4>(v, 4);
        digit[0] = _mm256_shuffle_epi8(third, low);
        digit[1] = _mm256_add_epi8(_mm256_shuffle_epi8(rest, low), _mm256_shuffle_epi8(rest, high));
        digit[2] = _mm256_shuffle_epi8(third, high);
    } else if constexpr (geometry(L).is_signed()) {
        digit[0] = Dot::signed_levels ? v : _mm256_xor_si256(v, _mm256_set1_epi8(-128));
    } else {
        constexpr int digits = geometry(L).digits, bits = 8 / digits;
        unroll<digits>(PENTANET_EACH(d) { digit[d] = field<bits>(v, d * bits); });
    }
}

// Tokens x (8 * Halves) rows of a tile, in one pass over it.
template <class Dot, Layout L, int Count, int Halves>
inline void dot_digits(const std::uint8_t* p, int groups, Tokens tokens, std::int32_t* sums) {
    constexpr int digits = geometry(L).digits;
    constexpr int groups_at_once = Dot::room(geometry(L).largest) / digits;
    static_assert(groups_at_once > 0);
    const std::int8_t* x = tokens.values;
    Vector wide[Count][Halves] = {};
    while (groups > 0) {
        const int now = groups < groups_at_once ? groups : groups_at_once;
        Vector narrow[Count][Halves] = {};
        for (int group = 0; group < now; ++group, p += lanes, x += quad * digits) {
            _mm_prefetch(reinterpret_cast<const char*>(p) + prefetch_ahead, _MM_HINT_T0);
            unroll<Halves>(PENTANET_EACH(h) {
                Vector digit[digits];
                decode<Dot, L>(load(p + h * half), digit);
                unroll<Count>(PENTANET_EACH(t) {
                    unroll<digits>(PENTANET_EACH(d) {
                        const Vector four = broadcast(x + t * tokens.stride + d * quad);
                        accumulate<Dot>(narrow[t][h], digit[d], four);
                    });
                });
            });
        }
        unroll<Count>(PENTANET_EACH(t) {
            unroll<Halves>(PENTANET_EACH(h) { wide[t][h] = _mm256_add_epi32(wide[t][h], Dot::widen(narrow[t][h])); });
        });
        groups -= now;
    }
    unroll<Count>(
        PENTANET_EACH(t) { unroll<Halves>(PENTANET_EACH(h) { store(sums + t * tile_rows + h * 8, wide[t][h]); }); });
}

template <class Dot, int Count, int Halves>
inline void dot_levels(const std::uint8_t* p, int quads, Tokens tokens, std::int32_t* sums) {
    Vector wide[Count][Halves] = {};
    for (int q = 0; q < quads; ++q, p += lanes) {
        _mm_prefetch(reinterpret_cast<const char*>(p) + prefetch_ahead, _MM_HINT_T0);
        unroll<Halves>(PENTANET_EACH(h) {
            const Vector level = load(p + h * half);
            unroll<Count>(PENTANET_EACH(t) {
                const Vector four = broadcast(tokens.values + t * tokens.stride + q * quad);
                wide[t][h] = _mm256_add_epi32(wide[t][h], Dot::multiply(level, four));
                PENTANET_KEEP(wide[t][h]);  // as in accumulate
            });
        });
    }
    unroll<Count>(
        PENTANET_EACH(t) { unroll<Halves>(PENTANET_EACH(h) { store(sums + t * tile_rows + h * 8, wide[t][h]); }); });
}

// Many tokens need all registers for one half of the rows; the second pass finds the tile in the cache.
template <class Dot, Layout L, int Count>
void dot_count(const std::uint8_t* tile, int groups, Tokens tokens, std::int32_t* sums) {
    constexpr int halves = Count <= 3 ? 2 : 1;
    for (int h = 0; h < 2; h += halves) {
        if constexpr (geometry(L).is_signed() && Dot::signed_levels)
            dot_levels<Dot, Count, halves>(tile + h * half, groups, tokens, sums + h * 8);
        else
            dot_digits<Dot, L, Count, halves>(tile + h * half, groups, tokens, sums + h * 8);
    }
}

template <class Dot, Layout L>
void dot(const std::uint8_t* tile, int groups, Tokens tokens, std::int32_t* sums) {
    with_count<fused_tokens>(tokens.count, [&](auto count) { dot_count<Dot, L, count>(tile, groups, tokens, sums); });
}

template <class Dot, Layout L>
void unpack(const std::uint8_t* tile, int groups, std::uint8_t* panel) {
    constexpr int digits = geometry(L).digits;
    for (int group = 0; group < groups; ++group, tile += lanes, panel += digits * lanes) {
        for (int h = 0; h < 2; ++h) {
            Vector digit[digits];
            decode<Dot, L>(load(tile + h * half), digit);
            for (int d = 0; d < digits; ++d) store(panel + d * lanes + h * half, digit[d]);
        }
    }
}

// sums[t, 0..15] += Count tokens x 16 rows of digits. `stride` of the sums: of a token.
template <class Dot, int Count>
void panel_digits(const std::uint8_t* panel, int quads, int at_once, Tokens tokens, std::int32_t* sums, int stride) {
    const std::int8_t* x = tokens.values;
    Vector wide[Count][2];
    unroll<Count>(PENTANET_EACH(t) {
        wide[t][0] = load(sums + t * stride);
        wide[t][1] = load(sums + t * stride + 8);
    });
    while (quads > 0) {
        const int now = quads < at_once ? quads : at_once;
        Vector narrow[Count][2] = {};
        for (int q = 0; q < now; ++q, panel += lanes, x += quad) {
            const Vector first = load(panel), second = load(panel + half);
            unroll<Count>(PENTANET_EACH(t) {
                const Vector four = broadcast(x + t * tokens.stride);
                accumulate<Dot>(narrow[t][0], first, four);
                accumulate<Dot>(narrow[t][1], second, four);
            });
        }
        unroll<Count>(PENTANET_EACH(t) {
            wide[t][0] = _mm256_add_epi32(wide[t][0], Dot::widen(narrow[t][0]));
            wide[t][1] = _mm256_add_epi32(wide[t][1], Dot::widen(narrow[t][1]));
        });
        quads -= now;
    }
    unroll<Count>(PENTANET_EACH(t) {
        store(sums + t * stride, wide[t][0]);
        store(sums + t * stride + 8, wide[t][1]);
    });
}

template <class Dot, int Count>
void panel_levels(const std::uint8_t* panel, int quads, Tokens tokens, std::int32_t* sums, int stride) {
    std::int32_t part[Count * tile_rows];
    dot_levels<Dot, Count, 2>(panel, quads, tokens, part);
    for (int t = 0; t < Count; ++t)
        for (int r = 0; r < tile_rows; ++r) sums[t * stride + r] += part[t * tile_rows + r];
}

template <class Dot, int Count>
void panel_block(const Panel& panel, Tokens tokens, std::int32_t* sums) {
    const int stride = panel.tiles * tile_rows;
    for (int tile = 0; tile < panel.tiles; ++tile, sums += tile_rows) {
        if constexpr (Dot::signed_levels) {
            if (panel.largest == 0) {
                panel_levels<Dot, Count>(panel.tile(tile), panel.quads, tokens, sums, stride);
                continue;
            }
        }
        panel_digits<Dot, Count>(panel.tile(tile), panel.quads, Dot::room(panel.largest), tokens, sums, stride);
    }
}

template <class Dot>
void panel_dot(const Panel& panel, Tokens tokens, std::int32_t* sums) {
    constexpr int block = 4;  // 8 sums, 2 weights and 1 activation in 16 registers
    int left = tokens.count;
    for (; left >= block; left -= block) {
        panel_block<Dot, block>(panel, tokens, sums);
        tokens.values += block * tokens.stride;
        sums += block * panel.tiles * tile_rows;
    }
    with_count<block - 1>(left, [&](auto count) { panel_block<Dot, count>(panel, tokens, sums); });
}

template <class Dot, Layout L>
constexpr Kernels reads(Repack repack = nullptr) {
    return {
        .in_memory = L,
        .dot = dot<Dot, L>,
        .multiply = multiply_tiles<dot<Dot, L>>,
        .unpack = unpack<Dot, L>,
        .repack = repack,
        .offset = geometry(L).is_signed() && !Dot::signed_levels ? 128 : 0,
    };
}

// Base-5 digits in 7 bits and base-3 fractions cost more to take apart than reading a seventh or a quarter more bytes.
template <class Dot>
Kernels kernels(Layout layout, int, int) {
    switch (layout) {
        case Layout::pentanary_7bit: return reads<Dot, Layout::pentanary_nibbles>(avx2_repack_pentanary);
        case Layout::pentanary_nibbles: return reads<Dot, Layout::pentanary_nibbles>();
        case Layout::ternary_5in8: return reads<Dot, Layout::ternary_2bit>(avx2_repack_ternary);
        case Layout::sparse_ternary_5bit: return reads<Dot, Layout::ternary_2bit>(repack_sparse);
        case Layout::ternary_2bit: return reads<Dot, Layout::ternary_2bit>();
        case Layout::binary_1bit: return reads<Dot, Layout::binary_1bit>();
        case Layout::nibble: return reads<Dot, Layout::nibble>();
        default: break;
    }
    return reads<Dot, Layout::byte>();
}

std::uint64_t read(const std::uint8_t* bytes, std::size_t size) {
    constexpr int sums = 8;
    Vector sum[sums] = {};
    for (std::size_t i = 0; i < size; i += sums * half)
        unroll<sums>(PENTANET_EACH(s) {
            const std::uint8_t* p = bytes + i + s * half;
            if constexpr (s % 2 == 0) _mm_prefetch(reinterpret_cast<const char*>(p) + probe_ahead, _MM_HINT_T0);
            sum[s] = _mm256_xor_si256(sum[s], load(p));
        });
    Vector all = sum[0];
    for (int s = 1; s < sums; ++s) all = _mm256_xor_si256(all, sum[s]);
    std::uint64_t word[4];
    store(word, all);
    return word[0] ^ word[1] ^ word[2] ^ word[3];
}

template <class Dot>
std::int64_t multiply(std::int64_t rounds) {
    constexpr int sums = 12;  // hides the latency, and leaves registers for the operands
    Vector sum[sums] = {}, digits = _mm256_set1_epi8(2), x = _mm256_set1_epi8(3);
    for (std::int64_t round = 0; round < rounds; ++round)
        unroll<sums>(PENTANET_EACH(s) {
            PENTANET_KEEP(digits);  // new values, for all that the compiler knows
            PENTANET_KEEP(x);
            accumulate<Dot>(sum[s], digits, x);
        });
    return rounds * sums * half;
}

}  // namespace
}  // namespace pentanet
