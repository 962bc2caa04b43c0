// From the bytes of a group to digits in AVX-512, for layouts as they are on disk. Internal linkage, as in float_ops.h.
#pragma once

#include "kernels/avx512/vectors.h"

namespace pentanet {
namespace {

// A group, without a read beyond its end where it is shorter than a vector.
template <Layout L>
inline Vector load_last(const std::uint8_t* group) {
    if constexpr (geometry(L).group_bytes == lanes)
        return load(group);
    else
        return _mm512_maskz_loadu_epi64((1 << geometry(L).group_bytes / 8) - 1, group);
}

template <Layout L>
constexpr int bits = 8 / geometry(L).digits;

// Where digits are bit fields, `byte` being one field of 8 bits.
template <Layout L>
constexpr bool has_fields = L != Layout::pentanary_7bit && L != Layout::ternary_5in8;

// The field of each lane that begins at this bit; its place within the lane is kept, modulo `modulus`.
template <int Bits>
inline Vector field(Vector v, int at, int modulus) {
    const int shift = at / modulus * modulus;
    const Vector moved = shift == 0 ? v : _mm512_srli_epi16(v, static_cast<unsigned>(shift));
    return _mm512_and_si512(moved, bytes(((1 << Bits) - 1) << (at - shift)));
}

// Eight lanes of 7 bits begin at byte 7i and at bit 7j; what follows the seventh bit is ignored by the look-up.
struct Spread {
    alignas(64) std::uint8_t byte[lanes], bit[lanes], digit[3][128];
    alignas(64) std::uint8_t upper[128], top[lanes];  // see Remainders
};
constexpr Spread spread = [] {
    Spread s{};
    for (int i = 0; i < lanes; ++i) {
        s.byte[i] = static_cast<std::uint8_t>(i / 8 * 7 + i % 8 % 7);
        s.bit[i] = static_cast<std::uint8_t>(i % 8 * 7);
    }
    for (unsigned code = 0; code < 128; ++code) {
        const auto digits = lane_digits<Layout::pentanary_7bit>(static_cast<std::uint8_t>(code));
        for (std::size_t d = 0; d < 3; ++d) s.digit[d][code] = digits[d];
        s.upper[code] = static_cast<std::uint8_t>(code - digits[0]);
        s.top[s.upper[code] % lanes] = static_cast<std::uint8_t>(25 * digits[2]);
    }
    return s;
}();

inline Vector codes(Vector group) {
    return _mm512_multishift_epi64_epi8(load(spread.bit), _mm512_permutexvar_epi8(load(spread.byte), group));
}

inline Vector times_three(Vector v) { return _mm512_add_epi8(v, _mm512_add_epi8(v, v)); }

// The digits of a group as bytes. Signed levels are moved up by 128 to become such: see Kernels::offset.
template <Layout L>
inline void decode(Vector v, Vector* digit) {
    constexpr int digits = geometry(L).digits;
    if constexpr (L == Layout::pentanary_7bit) {
        const Vector code = codes(v);
        unroll<digits>(PENTANET_EACH(d) {
            digit[d] = _mm512_permutex2var_epi8(load(spread.digit[d]), code, load(spread.digit[d] + lanes));
        });
    } else if constexpr (L == Layout::ternary_5in8) {
        unroll<digits>(PENTANET_EACH(d) {  // 3 v / 256 rounded down; what remains is 3 v modulo 256
            const auto one = _mm512_cmpgt_epu8_mask(v, bytes(255 / 3));
            const auto two = _mm512_cmpgt_epu8_mask(v, bytes(511 / 3));
            digit[d] = _mm512_mask_mov_epi8(_mm512_maskz_mov_epi8(one, bytes(1)), two, bytes(2));
            v = times_three(v);
        });
    } else if constexpr (geometry(L).is_signed()) {
        digit[0] = _mm512_xor_si512(v, bytes(128));
    } else {
        unroll<digits>(PENTANET_EACH(d) { digit[d] = field<bits<L>>(v, d * bits<L>, bits<L>); });
    }
}

}  // namespace
}  // namespace pentanet
