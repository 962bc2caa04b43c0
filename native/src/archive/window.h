// The window of a matrix: the shortest code of its integers, as order-0 statistics foretell it.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "archive/symbols.h"

namespace pentanet::archive {

inline double bits(double count, double total) { return count > 0 ? -count * std::log2(count / total) : 0.0; }

// Bits of all integers, of which `histogram[i]` are first + i and `outside` in neither.
inline double cost(const std::vector<std::uint64_t>& histogram, std::int64_t first, Window window, double total) {
    double inside = 0, sum = 0, distance = 0;
    for (std::size_t i = 0; i < histogram.size(); ++i) {
        if (histogram[i] == 0) continue;
        const auto count = static_cast<double>(histogram[i]);
        const std::int64_t level = first + static_cast<std::int64_t>(i);
        if (level >= window.lowest && level <= window.highest()) {
            inside += count;
            sum += bits(count, total);
        } else {
            const std::int64_t beyond = level < window.lowest ? window.lowest - level : level - window.highest();
            distance += count * (1.5 * std::bit_width(static_cast<std::uint64_t>(2 * beyond)));
        }
    }
    return sum + distance + bits(total - inside, total) + (total - inside) * 1e-9;
}

template <class T>
Window best_window(std::span<const T> levels) {
    constexpr std::int64_t most = 1 << 16;  // integers farther from zero, or from the lowest, only count as outside
    const auto [low, high] = std::ranges::minmax_element(levels);
    const std::int64_t lowest = *low, highest = *high;
    const std::int64_t first = highest < lowest + most ? lowest : std::max<std::int64_t>(lowest, -most / 2);
    const std::int64_t last = std::min(highest, first + most - 1);
    if (last < first) return {1, 0};
    std::vector<std::uint64_t> histogram(static_cast<std::size_t>(last - first + 1));
    for (const T level : levels)
        if (level >= first && level <= last) ++histogram[static_cast<std::size_t>(level - first)];
    Window best{1, first};
    double least = INFINITY;
    for (int depth = 1; depth <= max_depth; ++depth) {
        const auto width = std::min<std::size_t>((1u << depth) - 1, histogram.size());
        std::uint64_t covered = 0, largest = 0;
        std::int64_t at = first;
        for (std::size_t i = 0; i < histogram.size(); ++i) {
            covered += histogram[i];
            if (i >= width) covered -= histogram[i - width];
            if (covered > largest) {
                largest = covered;
                at = first + static_cast<std::int64_t>(i + 1) - static_cast<std::int64_t>(std::min(width, i + 1));
            }
        }
        const Window window{depth, at};
        const double found = cost(histogram, first, window, static_cast<double>(levels.size()));
        if (found < least * 0.9995) {  // a deeper one takes longer
            best = window;
            least = found;
        }
        if (width == histogram.size()) break;
    }
    return best;
}

}  // namespace pentanet::archive
