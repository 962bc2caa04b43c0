#include "kernels/avx2/repack.h"

#include <cstring>

#include "kernels/intrinsics.h"
#include "pentanet/layout.h"

namespace pentanet {
namespace {

using Vector = __m256i;

constexpr int half = 32;  // bytes of a vector: half a group

inline Vector load(const void* p) { return _mm256_loadu_si256(static_cast<const Vector*>(p)); }
inline void store(void* p, Vector v) { _mm256_storeu_si256(static_cast<Vector*>(p), v); }
inline Vector times(Vector v, short factor) { return _mm256_mullo_epi16(v, _mm256_set1_epi16(factor)); }
inline Vector at_least(Vector v, int limit) {  // of unsigned bytes
    return _mm256_cmpeq_epi8(_mm256_max_epu8(v, _mm256_set1_epi8(static_cast<char>(limit))), v);
}

// 16 codes of 7 bits from 14 bytes, as words. Reads 16 bytes.
inline Vector seven_bits(const std::uint8_t* p) {
    const Vector bytes = _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
    // Code i of eight starts at bit 7 i: in byte 7 i / 8, and ends in that byte or the next.
    const Vector pairs = _mm256_setr_epi8(0, 1, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7,  //
                                          7, 8, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13, 14);
    const Vector to_the_top = _mm256_setr_epi16(512, 4, 8, 16, 32, 64, 128, 256, 512, 4, 8, 16, 32, 64, 128, 256);
    return _mm256_srli_epi16(_mm256_mullo_epi16(_mm256_shuffle_epi8(bytes, pairs), to_the_top), 9);
}

// Words d0 + 5 d1 + 25 d2 to words 3 d0 + a + 16 (3 d2 + b), where a = min(d1, 2) and b = d1 - a.
inline Vector nibbles(Vector code) {
    const Vector d2 = _mm256_srli_epi16(times(code, 41), 10);  // code / 25, exactly for 0..127
    const Vector rest = _mm256_sub_epi16(code, times(d2, 25));
    const Vector d1 = _mm256_srli_epi16(times(rest, 52), 8);  // rest / 5
    const Vector a = _mm256_min_epi16(d1, _mm256_set1_epi16(2));
    // With d0 = rest - 5 d1 the sum is 3 code - 27 d2 + d1 - 15 a.
    return _mm256_add_epi16(_mm256_sub_epi16(times(code, 3), times(d2, 27)), _mm256_sub_epi16(d1, times(a, 15)));
}

// 32 codes, 28 bytes, to 32 bytes. Reads 30 bytes.
inline Vector pentanary_half(const std::uint8_t* p) {
    const Vector mixed = _mm256_packus_epi16(nibbles(seven_bits(p)), nibbles(seven_bits(p + 14)));  // eights 0, 2, 1, 3
    return _mm256_permute4x64_epi64(mixed, 0b11'01'10'00);
}

// The five base-3 digits of 32 fractions.
inline void trits(Vector fraction, Vector* digit) {
    for (int i = 0; i < 5; ++i) {
        // floor(3 fraction / 256) is 1 from 86 on, and 2 from 171; a mask is -1.
        const Vector ones = _mm256_add_epi8(at_least(fraction, 86), at_least(fraction, 171));
        digit[i] = _mm256_sub_epi8(_mm256_setzero_si256(), ones);
        fraction = _mm256_add_epi8(fraction, _mm256_add_epi8(fraction, fraction));
    }
}

}  // namespace

void avx2_repack_pentanary(const std::uint8_t* tile, int cols, std::uint8_t* out) {
    constexpr int bytes = geometry(Layout::pentanary_7bit).group_bytes;
    int left = geometry(Layout::pentanary_7bit).groups(cols);
    for (; left > 1; --left, tile += bytes, out += lanes) {
        store(out, pentanary_half(tile));
        store(out + half, pentanary_half(tile + bytes / 2));
    }
    std::uint8_t last[bytes + 2] = {};  // bytes after the last group must not be read
    std::memcpy(last, tile, bytes);
    store(out, pentanary_half(last));
    store(out + half, pentanary_half(last + bytes / 2));
}

void avx2_repack_ternary(const std::uint8_t* tile, int cols, std::uint8_t* out) {
    int left = geometry(Layout::ternary_5in8).groups(cols), wanted = geometry(Layout::ternary_2bit).groups(cols);
    for (; left > 0; left -= 4, tile += 4 * lanes, wanted -= 5, out += 5 * lanes) {
        for (int h = 0; h < 2; ++h) {
            Vector digit[20];
            for (int g = 0; g < 4; ++g) {
                if (g < left)
                    trits(load(tile + g * lanes + h * half), digit + 5 * g);
                else
                    for (int i = 0; i < 5; ++i) digit[5 * g + i] = _mm256_set1_epi8(1);  // level 0
            }
            for (int g = 0; g < 5 && g < wanted; ++g) {
                const Vector low = _mm256_or_si256(digit[4 * g], _mm256_slli_epi16(digit[4 * g + 1], 2));
                const Vector high = _mm256_or_si256(digit[4 * g + 2], _mm256_slli_epi16(digit[4 * g + 3], 2));
                store(out + g * lanes + h * half, _mm256_or_si256(low, _mm256_slli_epi16(high, 4)));
            }
        }
    }
}

}  // namespace pentanet
