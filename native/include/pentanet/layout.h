// How the levels of a matrix are stored in bytes. docs/format.md is the specification; this is its table in C++.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace pentanet {

enum class Layout : std::uint8_t {
    pentanary_7bit,
    ternary_5in8,
    ternary_2bit,
    sparse_ternary_5bit,
    binary_1bit,
    nibble,
    byte,
    // In memory only:
    pentanary_nibbles,     // three digits as two base-3 sums, for machines whose look-ups have 16 entries
    pentanary_planes,      // eight codes of 7 bits in seven bytes: the top bits of seven are the eighth
    ternary_3in5,          // eight codes of 5 bits in five bytes, three trits each
    sparse_ternary_words,  // 16 codes of 5 bits in five words of 16 bits; four tiles side by side
};

static_assert(std::endian::native == std::endian::little, "the format's numbers are little-endian");

inline constexpr int tile_rows = 16;
inline constexpr int lanes = 64;          // of a group: 16 rows x 4 inputs
inline constexpr int quad = 4;            // inputs that share a 32-bit word
inline constexpr int max_cols = 1 << 16;  // |sum| <= 2^16 * 255 * 127 < 2^31
static_assert(std::int64_t{max_cols} * 255 * 127 < INT32_MAX);
static_assert(tile_rows * quad == lanes);

struct Geometry {
    std::string_view name;
    int digits;       // per lane; a lane is one of the four inputs of a quad of one row, whatever its bits are
    int group_bytes;  // of 64 lanes
    int largest;      // digit that there can be; 0 where digits are signed levels
    bool on_disk;

    constexpr int inputs() const { return quad * digits; }  // per group: KG
    constexpr bool is_signed() const { return largest == 0; }
    constexpr int groups(int cols) const { return (cols + inputs() - 1) / inputs(); }
};

inline constexpr std::array<Geometry, 11> geometries{{
    // name, digits, group_bytes, largest, on_disk
    {"pentanary-7bit", 3, 56, 4, true},
    {"ternary-5in8", 5, 64, 2, true},
    {"ternary-2bit", 4, 64, 3, true},
    {"sparse-ternary-5bit", 32, 320, 2, true},
    {"binary-1bit", 8, 64, 1, true},
    {"nibble", 2, 64, 15, true},
    {"byte", 1, 64, 0, true},
    {"pentanary-nibbles", 3, 64, 4, false},
    {"pentanary-planes", 24, 448, 4, false},
    {"ternary-3in5", 24, 320, 2, false},
    {"sparse-ternary-words", 16, 160, 2, false},
}};

constexpr const Geometry& geometry(Layout layout) { return geometries[static_cast<std::size_t>(layout)]; }

// The layout of that name on disk, if there is one.
constexpr std::optional<Layout> layout_on_disk(std::string_view name) {
    for (std::size_t i = 0; i < geometries.size(); ++i)
        if (geometries[i].on_disk && geometries[i].name == name) return static_cast<Layout>(i);
    return std::nullopt;
}

// Inputs from 0 on that the groups of a matrix reach, in the layout that reaches farthest.
constexpr int padded_inputs(int cols) {
    int most = 0;
    for (const Geometry& g : geometries) most = std::max(most, g.groups(cols) * g.inputs());
    return most;
}

constexpr std::size_t tiles_of(int rows) { return (static_cast<std::size_t>(rows) + tile_rows - 1) / tile_rows; }

constexpr std::size_t tile_bytes(Layout layout, int cols) {
    return static_cast<std::size_t>(geometry(layout).groups(cols)) *
           static_cast<std::size_t>(geometry(layout).group_bytes);
}

// Bytes of a whole matrix: always a multiple of 64.
constexpr std::size_t packed_size(Layout layout, int rows, int cols) {
    return (tiles_of(rows) * tile_bytes(layout, cols) + 63) / 64 * 64;
}

static_assert(packed_size(Layout::pentanary_7bit, 16, 12) == 64);  // the example of docs/format.md
static_assert(geometry(Layout::ternary_5in8).inputs() == 20);

}  // namespace pentanet
