// What the bytes of a group mean: the plain reading of docs/format.md, which every kernel must agree with.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>

#include "pentanet/layout.h"

namespace pentanet {

// The digits of a lane that is a byte, one after the other; a level in two's complement where lanes are signed.
// Any byte is taken, so that a damaged file gives wrong numbers and nothing worse.
template <Layout L>
constexpr std::array<std::uint8_t, geometry(L).digits> lane_digits(std::uint8_t lane) {
    std::array<std::uint8_t, geometry(L).digits> digit{};
    const unsigned value = lane;
    if constexpr (L == Layout::pentanary_7bit) {
        digit = {static_cast<std::uint8_t>(value % 5), static_cast<std::uint8_t>(value / 5 % 5),
                 static_cast<std::uint8_t>(value / 25)};
    } else if constexpr (L == Layout::ternary_5in8) {
        unsigned fraction = value;
        for (auto& d : digit) {
            fraction *= 3;
            d = static_cast<std::uint8_t>(fraction >> 8);
            fraction &= 255;
        }
    } else if constexpr (L == Layout::pentanary_nibbles) {
        const unsigned low = value & 15, high = value >> 4;
        digit = {static_cast<std::uint8_t>(low / 3), static_cast<std::uint8_t>(low % 3 + high % 3),
                 static_cast<std::uint8_t>(high / 3)};
    } else {
        constexpr unsigned bits = 8 / geometry(L).digits;
        unsigned rest = value;
        for (auto& d : digit) {
            d = static_cast<std::uint8_t>(rest & ((1u << bits) - 1));
            rest >>= bits;
        }
    }
    return digit;
}

// The 64 lanes of a group, where they are bytes.
template <Layout L>
inline std::array<std::uint8_t, lanes> group_lanes(const std::uint8_t* group) {
    std::array<std::uint8_t, lanes> lane;
    if constexpr (L == Layout::pentanary_7bit) {
        for (std::size_t eight = 0; eight < 8; ++eight) {  // eight lanes of 7 bits are a number of 56 bits
            std::uint64_t bits = 0;
            for (std::size_t i = 0; i < 7; ++i) bits |= std::uint64_t{group[7 * eight + i]} << (8 * i);
            for (std::size_t i = 0; i < 8; ++i) lane[8 * eight + i] = static_cast<std::uint8_t>(bits >> (7 * i) & 127);
        }
    } else {
        std::memcpy(lane.data(), group, lanes);
    }
    return lane;
}

// The 32 codes of one row of a sparse group: five words in a column of 16.
inline std::array<std::uint8_t, 32> sparse_codes(const std::uint8_t* group, std::size_t row) {
    std::array<std::uint8_t, 32> code;
    unsigned spare = 0;  // the two top bits of each word
    for (std::size_t i = 0; i < 5; ++i) {
        std::uint32_t word = 0;
        for (std::size_t byte = 0; byte < 4; ++byte)
            word |= std::uint32_t{group[i * lanes + row * quad + byte]} << (8 * byte);
        for (std::size_t k = 0; k < 6; ++k) code[6 * i + k] = static_cast<std::uint8_t>(word >> (5 * k) & 31);
        spare = spare << 2 | word >> 30;
    }
    code[30] = static_cast<std::uint8_t>(spare >> 5);
    code[31] = static_cast<std::uint8_t>(spare & 31);
    return code;
}

// Memory order of sparse_ternary_words: the five words of a row are word_bytes apart, consecutive groups
// word_group_bytes. Rows i and i + 8 are neighbours.
inline constexpr std::size_t strip_tiles = 4;  // that are interleaved
inline constexpr std::size_t word_bytes = strip_tiles * tile_rows * 2, word_group_bytes = 5 * word_bytes;

// The 16 codes of one row: three in each word, and one in the top bits of all five, that of the first on top.
inline std::array<std::uint8_t, 16> word_codes(const std::uint8_t* group, std::size_t row) {
    std::array<std::uint8_t, 16> code{};
    for (std::size_t i = 0; i < 5; ++i) {
        std::uint16_t word;
        std::memcpy(&word, group + i * word_bytes + (row % 8 * 2 + row / 8) * sizeof word, sizeof word);
        for (std::size_t k = 0; k < 3; ++k) code[3 * i + k] = static_cast<std::uint8_t>(word >> (5 * k) & 31);
        code[15] = static_cast<std::uint8_t>(code[15] << 1 | word >> 15);
    }
    return code;
}

// The digits of each sparse code: 8 * the place of the one zero (digit 1) + a bit for each other input, 2 or 0.
inline constexpr std::array<std::array<std::uint8_t, quad>, 32> sparse_digits = [] {
    std::array<std::array<std::uint8_t, quad>, 32> table{};
    for (unsigned code = 0; code < 32; ++code)
        for (unsigned input = 0, bit = 0; input < quad; ++input)
            table[code][input] = input == code >> 3 ? 1 : static_cast<std::uint8_t>((code >> bit++ & 1) * 2);
    return table;
}();

// Decoding of a pentanary_planes code c = d0 + 5 d1 + 25 d2. sums[c] packs d1 (bits 2-4), d2 (bits 5-7) and, in bits
// 0-1, the correction k for which (c + sums[c]) & 7 == d0; codes are numbered such that two bits are enough for k:
//
//   bit        7   6   5   4   3   2   1   0
//   sums[c]  [    d2    ][    d1    ][   k   ]
//   c          .   c6  c5  c4  c3  c2  c1  c0
//   c + sums[c]    .   .   .   .  [    d0    ]
struct PlaneCodes {
    std::array<std::uint8_t, 128> of, sums;  // `of` a code d0 + 5 d1 + 25 d2
};
inline constexpr PlaneCodes plane_codes = [] {
    PlaneCodes table{};
    unsigned place = 80;  // 16 neighbours share the three lowest bits, from 5 on: at most 3 below what is wanted
    for (unsigned wanted = 0; wanted < 8; ++wanted)
        for (unsigned code = 0; code < 125; ++code) {
            const unsigned d0 = code % 5, d1 = code / 5 % 5, d2 = code / 25;
            if ((d0 + 4 * d1) % 8 != wanted) continue;  // bit 2 is of d1 too
            const unsigned now = place % 128 / 16 | place % 16 << 3;
            table.of[code] = static_cast<std::uint8_t>(now);
            table.sums[now] = static_cast<std::uint8_t>(((wanted - now) & 7) | d1 << 2 | d2 << 5);
            ++place;
        }
    return table;
}();
static_assert([] {
    for (unsigned code = 0; code < 125; ++code) {
        const unsigned now = plane_codes.of[code], sums = plane_codes.sums[now];
        if (((now + sums) & 7) + 5 * (sums >> 2 & 7) + 25 * (sums >> 5) != code) return false;
    }
    return true;
}());

// The eight codes of a lane, in layouts that have more than one.
template <Layout L>
inline std::array<std::uint8_t, 8> lane_codes(const std::uint8_t* lane) {
    std::array<std::uint8_t, 8> code{};
    if constexpr (L == Layout::pentanary_planes) {
        for (unsigned i = 0; i < 7; ++i) {
            code[i] = lane[i * lanes] & 127;
            code[7] = static_cast<std::uint8_t>(code[7] | lane[i * lanes] >> 7 << i);
        }
    } else {  // three bits of each of the five bytes are left for three codes
        std::array<unsigned, 5> byte;
        for (unsigned i = 0; i < 5; ++i) {
            byte[i] = lane[i * lanes];
            code[i] = byte[i] & 31;
        }
        code[5] = static_cast<std::uint8_t>(byte[0] >> 5 | (byte[1] >> 5 & 3) << 3);
        code[6] = static_cast<std::uint8_t>(byte[2] >> 5 | (byte[3] >> 5 & 3) << 3);
        code[7] = static_cast<std::uint8_t>(byte[4] >> 5 | byte[1] >> 7 << 3 | byte[3] >> 7 << 4);
    }
    return code;
}

// The digits of a group as bytes [digits, 64 lanes].
template <Layout L>
inline void group_digits(const std::uint8_t* group, std::uint8_t* out) {
    if constexpr (L == Layout::sparse_ternary_5bit || L == Layout::sparse_ternary_words) {
        for (std::size_t row = 0; row < tile_rows; ++row) {
            const auto code = [&] {
                if constexpr (L == Layout::sparse_ternary_5bit)
                    return sparse_codes(group, row);
                else
                    return word_codes(group, row);
            }();
            for (std::size_t d = 0; d < code.size(); ++d)
                std::memcpy(out + d * lanes + row * quad, sparse_digits[code[d]].data(), quad);
        }
    } else if constexpr (L == Layout::pentanary_planes || L == Layout::ternary_3in5) {
        for (std::size_t i = 0; i < lanes; ++i) {
            std::uint8_t* next = out + i;
            const auto put = [&next](unsigned digit) {
                *next = static_cast<std::uint8_t>(digit);
                next += lanes;
            };
            for (const unsigned code : lane_codes<L>(group + i)) {
                const unsigned sums = plane_codes.sums[code], five = L == Layout::pentanary_planes;
                put(five ? (code + sums) & 7 : code % 3);
                put(five ? sums >> 2 & 7 : code / 3 % 3);
                put(five ? sums >> 5 : code / 9);
            }
        }
    } else {
        const auto lane = group_lanes<L>(group);
        for (std::size_t i = 0; i < lanes; ++i) {
            const auto digit = lane_digits<L>(lane[i]);
            for (std::size_t d = 0; d < digit.size(); ++d) out[d * lanes + i] = digit[d];
        }
    }
}

// Calls visit.template operator()<L>() for the layout that is known at run time.
template <class Visit>
constexpr decltype(auto) with_layout(Layout layout, Visit visit) {
    switch (layout) {
        case Layout::pentanary_7bit: return visit.template operator()<Layout::pentanary_7bit>();
        case Layout::ternary_5in8: return visit.template operator()<Layout::ternary_5in8>();
        case Layout::ternary_2bit: return visit.template operator()<Layout::ternary_2bit>();
        case Layout::sparse_ternary_5bit: return visit.template operator()<Layout::sparse_ternary_5bit>();
        case Layout::binary_1bit: return visit.template operator()<Layout::binary_1bit>();
        case Layout::nibble: return visit.template operator()<Layout::nibble>();
        case Layout::byte: return visit.template operator()<Layout::byte>();
        case Layout::pentanary_nibbles: return visit.template operator()<Layout::pentanary_nibbles>();
        case Layout::pentanary_planes: return visit.template operator()<Layout::pentanary_planes>();
        case Layout::ternary_3in5: return visit.template operator()<Layout::ternary_3in5>();
        case Layout::sparse_ternary_words: break;
    }
    return visit.template operator()<Layout::sparse_ternary_words>();
}

}  // namespace pentanet
