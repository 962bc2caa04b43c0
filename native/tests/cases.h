// Matrices of every layout and grid, and their levels.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "encode.h"
#include "pentanet/matrix.h"

namespace pentanet::test {

struct Stored {
    Layout layout;
    Grid grid;
    int padding;  // its digit; its level for `byte`
};

inline constexpr Stored stored[] = {
    {Layout::pentanary_7bit, {-2, 1, 5}, 2}, {Layout::ternary_5in8, {-1, 1, 3}, 1},
    {Layout::ternary_2bit, {-1, 1, 3}, 1},   {Layout::sparse_ternary_5bit, {-1, 1, 3}, 1},
    {Layout::binary_1bit, {-1, 2, 2}, 0},    {Layout::nibble, {-3, 2, 4}, 0},
    {Layout::nibble, {-4, 1, 9}, 4},         {Layout::nibble, {-8, 1, 16}, 8},
    {Layout::byte, {-3, 2, 4}, -3},          {Layout::byte, {-4, 1, 9}, 0},
    {Layout::byte, {-128, 1, 256}, 0},
};

struct Shape {
    int rows, cols, scale_groups;
};

enum class Fill { random, largest, alternating };

inline bool is_sparse(Layout layout) { return layout == Layout::sparse_ternary_5bit; }

// Digit i of a sparse row: exactly one of four is 1, the level 0; its place goes round.
inline int sparse_digit(Fill fill, int i, std::mt19937& random) {
    if (i % 4 == (i / 4 + i / 64) % 4) return 1;
    if (fill == Fill::alternating) return i % 2 * 2;
    return fill == Fill::largest || random() % 2 ? 2 : 0;
}

struct Case {
    Stored stored;
    Shape shape;
    Fill fill;
    std::vector<int> level;  // [rows, cols]
    std::vector<std::uint8_t> bytes;
    std::vector<float> scales;

    Case(Stored as, Shape s, Fill f, std::mt19937& random) : stored(as), shape(s), fill(f) {
        const bool is_signed = geometry(as.layout).is_signed();
        const auto [lowest, spacing, size] = as.grid;
        std::vector<int> digit;
        for (int i = 0; i < s.rows * s.cols; ++i) {
            int d = static_cast<int>(random() % static_cast<unsigned>(size));
            if (f == Fill::largest) d = is_signed ? 0 : size - 1;  // of signed levels, the lowest
            if (f == Fill::alternating) d = i % 2 ? 0 : size - 1;
            if (is_sparse(as.layout)) d = sparse_digit(f, i, random);
            level.push_back(lowest + spacing * d);
            digit.push_back(is_signed ? level.back() : d);
        }
        bytes = encode(as.layout, digit, s.rows, s.cols, as.padding);
        for (int i = 0; i < s.rows * s.scale_groups; ++i)
            scales.push_back(0.01f + static_cast<float>(random() % 1000) / 999);
    }

    Codes codes() const {
        return {stored.layout, stored.grid, shape.rows, shape.cols, bytes, scales, shape.rows, shape.scale_groups};
    }

    std::string name(const Isa& isa, int tokens, int threads) const {
        return std::string(isa.name) + " " + std::string(geometry(stored.layout).name) + " " +
               std::to_string(stored.grid.size) + " levels " + std::to_string(shape.rows) + "x" +
               std::to_string(shape.cols) + " fill " + std::to_string(static_cast<int>(fill)) + " tokens " +
               std::to_string(tokens) + " threads " + std::to_string(threads);
    }
};

}  // namespace pentanet::test
