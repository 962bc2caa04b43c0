// An encoder from docs/format.md, written for the tests alone: digit by digit, without looking at the kernels.
#pragma once

#include <cstdint>
#include <vector>

#include "pentanet/layout.h"

namespace pentanet::test {

// One row of a sparse group, 128 digits: five words, bit by bit.
inline std::vector<std::uint32_t> sparse_digit_words(const std::vector<int>& digit) {
    std::vector<std::uint32_t> words(5);
    for (std::size_t block = 0; block < 32; ++block) {
        unsigned zero = 0, signs = 0, others = 0;
        for (unsigned input = 0; input < 4; ++input) {
            const int d = digit[4 * block + input];
            if (d == 1)
                zero = input;
            else
                signs |= (d == 2 ? 1u : 0u) << others++;
        }
        const std::uint32_t code = 8 * zero + signs;
        if (block < 30) {
            words[block / 6] |= code << 5 * (block % 6);
            continue;
        }
        for (std::size_t bit = 0; bit < 5; ++bit) {  // ten bits, the highest first
            const std::size_t place = 5 * (block - 30) + bit;
            words[place / 2] |= (code >> (4 - bit) & 1) << (31 - place % 2);
        }
    }
    return words;
}

inline std::vector<std::uint8_t> encode_sparse(const std::vector<int>& digit, int rows, int cols) {
    std::vector<std::uint8_t> out(packed_size(Layout::sparse_ternary_5bit, rows, cols));
    std::size_t at = 0;
    for (int tile = 0; tile < rows; tile += 16)
        for (int first = 0; first < cols; first += 128, at += 320)
            for (int r = 0; r < 16; ++r) {
                std::vector<int> line;
                for (int i = 0; i < 128; ++i) {
                    const int row = tile + r, col = first + i;
                    const int padding = i % 4 == 0 ? 1 : 0;
                    line.push_back(row < rows && col < cols ? digit[static_cast<std::size_t>(row * cols + col)]
                                                            : padding);
                }
                const auto words = sparse_digit_words(line);
                for (std::size_t i = 0; i < 20; ++i)
                    out[at + i / 4 * 64 + static_cast<std::size_t>(r) * 4 + i % 4] =
                        static_cast<std::uint8_t>(words[i / 4] >> (8 * (i % 4)));
            }
    return out;
}

// Packs digits [rows, cols] (levels, for `byte`); padding has digit `padding`.
inline std::vector<std::uint8_t> encode(Layout layout, const std::vector<int>& digit, int rows, int cols, int padding) {
    if (layout == Layout::sparse_ternary_5bit) return encode_sparse(digit, rows, cols);
    const Geometry g = geometry(layout);
    std::vector<std::uint8_t> out(packed_size(layout, rows, cols));
    std::size_t at = 0;
    for (int tile = 0; tile * 16 < rows; ++tile)
        for (int group = 0; group * g.inputs() < cols; ++group) {
            std::uint8_t lane[64];
            for (int i = 0; i < 64; ++i) {
                int d[8] = {};
                for (int p = 0; p < g.digits; ++p) {
                    const int row = tile * 16 + i / 4, col = group * g.inputs() + 4 * p + i % 4;
                    d[p] = row < rows && col < cols ? digit[static_cast<std::size_t>(row * cols + col)] : padding;
                }
                int value = 0;
                switch (layout) {
                    case Layout::pentanary_7bit: value = d[0] + 5 * d[1] + 25 * d[2]; break;
                    case Layout::ternary_5in8: {
                        const int v = 81 * d[0] + 27 * d[1] + 9 * d[2] + 3 * d[3] + d[4];
                        value = (256 * v + 242) / 243;
                        break;
                    }
                    case Layout::ternary_2bit: value = d[0] + 4 * d[1] + 16 * d[2] + 64 * d[3]; break;
                    case Layout::binary_1bit:
                        for (int p = 0; p < 8; ++p) value += d[p] << p;
                        break;
                    case Layout::nibble: value = d[0] + 16 * d[1]; break;
                    default: value = d[0]; break;
                }
                lane[i] = static_cast<std::uint8_t>(value);
            }
            if (layout != Layout::pentanary_7bit) {
                for (int i = 0; i < 64; ++i) out[at++] = lane[i];
                continue;
            }
            for (int i = 0; i < 448; ++i)  // bit by bit
                out[at + static_cast<std::size_t>(i) / 8] |=
                    static_cast<std::uint8_t>((lane[i / 7] >> i % 7 & 1) << i % 8);
            at += 56;
        }
    return out;
}

}  // namespace pentanet::test
