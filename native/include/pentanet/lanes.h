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

// The digits of each sparse code: 8 * the place of the one zero (digit 1) + a bit for each other input, 2 or 0.
inline constexpr std::array<std::array<std::uint8_t, quad>, 32> sparse_digits = [] {
    std::array<std::array<std::uint8_t, quad>, 32> table{};
    for (unsigned code = 0; code < 32; ++code)
        for (unsigned input = 0, bit = 0; input < quad; ++input)
            table[code][input] = input == code >> 3 ? 1 : static_cast<std::uint8_t>((code >> bit++ & 1) * 2);
    return table;
}();

// The digits of a group as bytes [digits, 64 lanes].
template <Layout L>
inline void group_digits(const std::uint8_t* group, std::uint8_t* out) {
    if constexpr (L == Layout::sparse_ternary_5bit) {
        for (std::size_t row = 0; row < tile_rows; ++row) {
            const auto code = sparse_codes(group, row);
            for (std::size_t d = 0; d < code.size(); ++d) std::memcpy(out + d * lanes + row * quad, sparse_digits[code[d]].data(), quad);
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
        case Layout::pentanary_nibbles: break;
    }
    return visit.template operator()<Layout::pentanary_nibbles>();
}

}  // namespace pentanet
