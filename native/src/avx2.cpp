// Kernels for AVX2: 8 rows x 4 inputs to a vector, products of unsigned digits and signed activations.
//
// vpmaddubsw adds two products in 16 bits and would saturate at 32767. It never does here: each kernel knows the
// largest digit of its layout, and widens the 16-bit sums to 32 bits before they could overflow.

#include "avx2_repack.h"
#include "float_ops.h"
#include "intrinsics.h"
#include "pentanet/isa.h"
#include "repack.h"
#include "repeat.h"

namespace pentanet {
namespace {

using Vector = __m256i;

constexpr int half = 32;             // bytes of a vector: half a group
constexpr int prefetch_ahead = 8192;  // bytes; the distance that the measurements of the layouts found best

inline Vector load(const void* p) { return _mm256_loadu_si256(static_cast<const Vector*>(p)); }
inline void store(void* p, Vector v) { _mm256_storeu_si256(static_cast<Vector*>(p), v); }

inline Vector broadcast(const std::int8_t* four) {
    std::int32_t word;
    std::memcpy(&word, four, sizeof word);
    return _mm256_set1_epi32(word);
}

inline Vector widen(Vector sums16) { return _mm256_madd_epi16(sums16, _mm256_set1_epi16(1)); }

// sum16 += products, right here: gcc would otherwise start all products first, run out of registers, and let one sum
// travel through memory, which halves the speed.
inline void accumulate(Vector& sums16, Vector digits, Vector activations) {
    sums16 = _mm256_add_epi16(sums16, _mm256_maddubs_epi16(digits, activations));
    PENTANET_KEEP(sums16);
}

// How many vpmaddubsw results a 16-bit sum can hold.
constexpr int room(int largest_digit) { return 32767 / (2 * 127 * largest_digit); }

template <int Bits>
inline Vector field(Vector v, int shift) {
    return _mm256_and_si256(_mm256_srli_epi16(v, shift), _mm256_set1_epi8(static_cast<char>((1 << Bits) - 1)));
}

inline Vector table(char a0, char a1, char a2, char a3, char a4, char a5, char a6, char a7, char a8, char a9, char a10,
                    char a11, char a12, char a13, char a14) {
    return _mm256_broadcastsi128_si256(_mm_setr_epi8(a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, 0));
}

// The digits of 32 lanes.
template <Layout L>
inline void decode(Vector v, Vector* digit) {
    if constexpr (L == Layout::pentanary_nibbles) {
        const Vector third = table(0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4);
        const Vector rest = table(0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2);
        const Vector low = field<4>(v, 0), high = field<4>(v, 4);
        digit[0] = _mm256_shuffle_epi8(third, low);
        digit[1] = _mm256_add_epi8(_mm256_shuffle_epi8(rest, low), _mm256_shuffle_epi8(rest, high));
        digit[2] = _mm256_shuffle_epi8(third, high);
    } else {
        constexpr int digits = geometry(L).digits, bits = 8 / digits;
        repeat<digits>(PENTANET_EACH(d) { digit[d] = field<bits>(v, d * bits); });
    }
}

// Tokens x (8 * Halves) rows of a tile, in one pass over it.
template <Layout L, int Count, int Halves>
inline void dot_digits(const std::uint8_t* p, int groups, Tokens tokens, std::int32_t* sums) {
    constexpr int digits = geometry(L).digits;
    constexpr int groups_at_once = room(geometry(L).largest) / digits;
    static_assert(groups_at_once > 0);
    const std::int8_t* x = tokens.values;
    Vector wide[Count][Halves] = {};
    while (groups > 0) {
        const int now = groups < groups_at_once ? groups : groups_at_once;
        Vector narrow[Count][Halves] = {};
        for (int group = 0; group < now; ++group, p += lanes, x += quad * digits) {
            _mm_prefetch(reinterpret_cast<const char*>(p) + prefetch_ahead, _MM_HINT_T0);
            repeat<Halves>(PENTANET_EACH(h) {
                Vector digit[digits];
                decode<L>(load(p + h * half), digit);
                repeat<Count>(PENTANET_EACH(t) {
                    repeat<digits>(PENTANET_EACH(d) {
                        const Vector four = broadcast(x + t * tokens.stride + d * quad);
                        accumulate(narrow[t][h], digit[d], four);
                    });
                });
            });
        }
        repeat<Count>(PENTANET_EACH(t) {
            repeat<Halves>(PENTANET_EACH(h) { wide[t][h] = _mm256_add_epi32(wide[t][h], widen(narrow[t][h])); });
        });
        groups -= now;
    }
    repeat<Count>(PENTANET_EACH(t) {
        repeat<Halves>(PENTANET_EACH(h) { store(sums + t * tile_rows + h * 8, wide[t][h]); });
    });
}

// a * b of signed bytes, each four added up: |a| is unsigned up to 128, b takes its sign, and 2 * 128 * 127 < 32768.
inline Vector dot_signed(Vector a, Vector b) {
    return widen(_mm256_maddubs_epi16(_mm256_abs_epi8(a), _mm256_sign_epi8(b, a)));
}

template <int Count, int Halves>
inline void dot_levels(const std::uint8_t* p, int quads, Tokens tokens, std::int32_t* sums) {
    Vector wide[Count][Halves] = {};
    for (int q = 0; q < quads; ++q, p += lanes) {
        _mm_prefetch(reinterpret_cast<const char*>(p) + prefetch_ahead, _MM_HINT_T0);
        repeat<Halves>(PENTANET_EACH(h) {
            const Vector level = load(p + h * half);
            repeat<Count>(PENTANET_EACH(t) {
                const Vector four = broadcast(tokens.values + t * tokens.stride + q * quad);
                wide[t][h] = _mm256_add_epi32(wide[t][h], dot_signed(level, four));
                PENTANET_KEEP(wide[t][h]);  // as in accumulate
            });
        });
    }
    repeat<Count>(PENTANET_EACH(t) {
        repeat<Halves>(PENTANET_EACH(h) { store(sums + t * tile_rows + h * 8, wide[t][h]); });
    });
}

// Many tokens need all registers for one half of the rows; the second pass finds the tile in the cache.
template <Layout L, int Count>
void dot_count(const std::uint8_t* tile, int groups, Tokens tokens, std::int32_t* sums) {
    constexpr int halves = Count <= 3 ? 2 : 1;
    for (int h = 0; h < 2; h += halves) {
        if constexpr (geometry(L).is_signed())
            dot_levels<Count, halves>(tile + h * half, groups, tokens, sums + h * 8);
        else
            dot_digits<L, Count, halves>(tile + h * half, groups, tokens, sums + h * 8);
    }
}

template <Layout L>
void dot(const std::uint8_t* tile, int groups, Tokens tokens, std::int32_t* sums) {
    switch (tokens.count) {
        case 1: return dot_count<L, 1>(tile, groups, tokens, sums);
        case 2: return dot_count<L, 2>(tile, groups, tokens, sums);
        case 3: return dot_count<L, 3>(tile, groups, tokens, sums);
        case 4: return dot_count<L, 4>(tile, groups, tokens, sums);
        case 5: return dot_count<L, 5>(tile, groups, tokens, sums);
        case 6: return dot_count<L, 6>(tile, groups, tokens, sums);
        case 7: return dot_count<L, 7>(tile, groups, tokens, sums);
        case 8: return dot_count<L, 8>(tile, groups, tokens, sums);
        default: return;
    }
}

template <Layout L>
void unpack(const std::uint8_t* tile, int groups, std::uint8_t* panel) {
    constexpr int digits = geometry(L).digits;
    for (int group = 0; group < groups; ++group, tile += lanes, panel += digits * lanes) {
        for (int h = 0; h < 2; ++h) {
            Vector digit[digits];
            decode<L>(load(tile + h * half), digit);
            for (int d = 0; d < digits; ++d) store(panel + d * lanes + h * half, digit[d]);
        }
    }
}

// sums[t, 0..15] += Count tokens x 16 rows of digits. `stride` of the sums: of a token.
template <int Count>
void panel_digits(const std::uint8_t* panel, int quads, int at_once, Tokens tokens, std::int32_t* sums, int stride) {
    const std::int8_t* x = tokens.values;
    Vector wide[Count][2];
    repeat<Count>(PENTANET_EACH(t) {
        wide[t][0] = load(sums + t * stride);
        wide[t][1] = load(sums + t * stride + 8);
    });
    while (quads > 0) {
        const int now = quads < at_once ? quads : at_once;
        Vector narrow[Count][2] = {};
        for (int q = 0; q < now; ++q, panel += lanes, x += quad) {
            const Vector first = load(panel), second = load(panel + half);
            repeat<Count>(PENTANET_EACH(t) {
                const Vector four = broadcast(x + t * tokens.stride);
                accumulate(narrow[t][0], first, four);
                accumulate(narrow[t][1], second, four);
            });
        }
        repeat<Count>(PENTANET_EACH(t) {
            wide[t][0] = _mm256_add_epi32(wide[t][0], widen(narrow[t][0]));
            wide[t][1] = _mm256_add_epi32(wide[t][1], widen(narrow[t][1]));
        });
        quads -= now;
    }
    repeat<Count>(PENTANET_EACH(t) {
        store(sums + t * stride, wide[t][0]);
        store(sums + t * stride + 8, wide[t][1]);
    });
}

template <int Count>
void panel_levels(const std::uint8_t* panel, int quads, Tokens tokens, std::int32_t* sums, int stride) {
    std::int32_t part[Count * tile_rows];
    dot_levels<Count, 2>(panel, quads, tokens, part);
    for (int t = 0; t < Count; ++t)
        for (int r = 0; r < tile_rows; ++r) sums[t * stride + r] += part[t * tile_rows + r];
}

template <int Count>
void panel_block(const Panel& panel, Tokens tokens, std::int32_t* sums) {
    const int stride = panel.tiles * tile_rows;
    for (int tile = 0; tile < panel.tiles; ++tile, sums += tile_rows) {
        if (panel.largest == 0)
            panel_levels<Count>(panel.tile(tile), panel.quads, tokens, sums, stride);
        else
            panel_digits<Count>(panel.tile(tile), panel.quads, room(panel.largest), tokens, sums, stride);
    }
}

void panel_dot(const Panel& panel, Tokens tokens, std::int32_t* sums) {
    constexpr int block = 4;  // 8 sums, 2 weights and 1 activation in 16 registers
    int left = tokens.count;
    for (; left >= block; left -= block) {
        panel_block<block>(panel, tokens, sums);
        tokens.values += block * tokens.stride;
        sums += block * panel.tiles * tile_rows;
    }
    switch (left) {
        case 3: return panel_block<3>(panel, tokens, sums);
        case 2: return panel_block<2>(panel, tokens, sums);
        case 1: return panel_block<1>(panel, tokens, sums);
        default: return;
    }
}

template <Layout L>
constexpr Kernels reads(Repack repack = nullptr) {
    return {L, dot<L>, unpack<L>, repack};
}

// Base-5 digits in 7 bits and base-3 fractions cost more to take apart than reading a seventh or a quarter more bytes.
Kernels kernels(Layout layout) {
    switch (layout) {
        case Layout::pentanary_7bit: return reads<Layout::pentanary_nibbles>(avx2_repack_pentanary);
        case Layout::pentanary_nibbles: return reads<Layout::pentanary_nibbles>();
        case Layout::ternary_5in8: return reads<Layout::ternary_2bit>(avx2_repack_ternary);
        case Layout::sparse_ternary_5bit: return reads<Layout::ternary_2bit>(repack_sparse);
        case Layout::ternary_2bit: return reads<Layout::ternary_2bit>();
        case Layout::binary_1bit: return reads<Layout::binary_1bit>();
        case Layout::nibble: return reads<Layout::nibble>();
        case Layout::byte: break;
    }
    return reads<Layout::byte>();
}

std::uint64_t read(const std::uint8_t* bytes, std::size_t size) {
    constexpr int sums = 8;
    Vector sum[sums] = {};
    for (std::size_t i = 0; i < size; i += sums * half)
        repeat<sums>(PENTANET_EACH(s) {
            const std::uint8_t* p = bytes + i + s * half;
            if constexpr (s % 2 == 0) _mm_prefetch(reinterpret_cast<const char*>(p) + prefetch_ahead, _MM_HINT_T0);
            sum[s] = _mm256_xor_si256(sum[s], load(p));
        });
    Vector all = sum[0];
    for (int s = 1; s < sums; ++s) all = _mm256_xor_si256(all, sum[s]);
    std::uint64_t word[4];
    store(word, all);
    return word[0] ^ word[1] ^ word[2] ^ word[3];
}

std::int64_t multiply(std::int64_t rounds) {
    constexpr int sums = 12;  // hides the latency, and leaves registers for the operands
    Vector sum[sums] = {}, digits = _mm256_set1_epi8(2), x = _mm256_set1_epi8(3);
    for (std::int64_t round = 0; round < rounds; ++round)
        repeat<sums>(PENTANET_EACH(s) {
            asm volatile("" : "+x"(digits), "+x"(x));  // new values, for all that the compiler knows
            accumulate(sum[s], digits, x);
        });
    return rounds * sums * half;
}

bool supported() {
#if defined(PENTANET_EMULATE)
    return true;
#else
    return __builtin_cpu_supports("avx2") != 0;
#endif
}

}  // namespace

extern const Isa avx2_isa;
const Isa avx2_isa{"avx2", supported, kernels, 1, panel_dot, floats::all, {read, multiply}};

}  // namespace pentanet
