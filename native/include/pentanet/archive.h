// Integers in as few bytes as their statistics allow: the coder of pentanet/format/archive_coder.py, which says more.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace pentanet::archive {

// What the probabilities of a matrix depend on, besides the context that the caller gives to each integer.
struct Classes {
    bool rows = false;     // how large the integers of this row have been
    bool columns = false;  // how large those above have been
};

inline constexpr int max_contexts = 256;

// `levels` [rows, cols] one row after another, each in +-2^60; `context`, if any, has a number for each of them.
template <class T>
std::vector<std::uint8_t> encode(std::span<const T> levels, std::size_t cols, std::span<const std::uint8_t> context,
                                 Classes classes);

// Fills `levels`. Throws std::invalid_argument for bytes that no encoder writes: many wrong bytes decode to something,
// and a checksum has to tell.
template <class T>
void decode(std::span<const std::uint8_t> bytes, std::span<T> levels, std::size_t cols,
            std::span<const std::uint8_t> context);

}  // namespace pentanet::archive
