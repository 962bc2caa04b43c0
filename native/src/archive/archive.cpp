// Format of an encoded matrix: a byte (depth, whether rows and columns make classes, whether there are two lanes); the
// lowest integer of the window, as 2 n or -2 n - 1; with two lanes the number of bytes of the first; the arithmetic code
// of each lane. Numbers have 7 bits in a byte, lowest first, and 128 added to all but the last.

#include "pentanet/archive.h"

#include <algorithm>
#include <array>
#include <limits>
#include <stdexcept>

#include "archive/classes.h"
#include "archive/range_coder.h"
#include "archive/symbols.h"
#include "archive/window.h"

namespace pentanet::archive {
namespace {

constexpr std::uint8_t rows_bit = 1 << 4, columns_bit = 1 << 5, lanes_bit = 1 << 6;
constexpr std::size_t long_matrix = 1 << 18;  // integers, from which on there are two lanes

void put(std::vector<std::uint8_t>& out, std::uint64_t number) {
    for (; number >= 128; number >>= 7) out.push_back(static_cast<std::uint8_t>(number | 128));
    out.push_back(static_cast<std::uint8_t>(number));
}

// What is at the front of some bytes, which it takes away.
class Head {
public:
    explicit Head(std::span<const std::uint8_t> bytes) : rest(bytes) {}

    std::uint8_t byte() {
        if (rest.empty()) throw std::invalid_argument("it ends in its head");
        const std::uint8_t found = rest.front();
        rest = rest.subspan(1);
        return found;
    }

    std::uint64_t number() {
        std::uint64_t found = 0;
        for (int shift = 0; shift < 63; shift += 7) {
            const std::uint8_t next = byte();
            found |= std::uint64_t{next & 127u} << shift;
            if (next < 128) return found;
        }
        throw std::invalid_argument("a number of more than 63 bits");
    }

    std::span<const std::uint8_t> take(std::uint64_t count) {
        if (count > rest.size()) throw std::invalid_argument("a lane that ends behind the bytes");
        const auto found = rest.first(count);
        rest = rest.subspan(count);
        return found;
    }

    std::span<const std::uint8_t> rest;
};

void check(std::size_t levels, std::size_t cols, std::size_t context) {
    if (cols == 0 || levels % cols != 0) throw std::invalid_argument("not a matrix");
    if (context != 0 && context != levels) throw std::invalid_argument("one context for each integer");
}

std::size_t contexts(std::span<const std::uint8_t> context) {
    return context.empty() ? 1 : std::size_t{*std::ranges::max_element(context)} + 1;
}

// Calls `code(index, contexts, levels)` for a few integers of a row at a time; it reads or fills `levels`.
template <class Code>
void each(std::size_t count, std::size_t cols, std::span<const std::uint8_t> context, Classes use, const Code& code) {
    Estimator estimator(cols, use);
    std::array<std::uint32_t, Estimator::block> at{};
    std::array<std::int64_t, Estimator::block> levels{};
    const bool classes = use.rows || use.columns;
    for (std::size_t row = 0; row < count; row += cols) {
        if (classes) estimator.begin_row();
        for (std::size_t col = 0; col < cols; col += Estimator::block) {
            const std::size_t n = std::min<std::size_t>(cols - col, Estimator::block);
            const std::span some(at.data(), n);
            if (classes) estimator.of(col, some);
            if (!context.empty())
                for (std::size_t i = 0; i < n; ++i)
                    at[i] = context[row + col + i] * (classes ? Estimator::classes : 1u) + (classes ? at[i] : 0u);
            code(row + col, some, std::span(levels.data(), n));
            if (classes) estimator.saw(col, std::span(levels.data(), n));
        }
        if (classes) estimator.end_row();
    }
}

std::size_t tables(std::span<const std::uint8_t> context, Classes use) {
    return contexts(context) * (use.rows || use.columns ? Estimator::classes : 1);
}

}  // namespace

template <class T>
std::vector<std::uint8_t> encode(std::span<const T> levels, std::size_t cols, std::span<const std::uint8_t> context,
                                 Classes use) {
    check(levels.size(), cols, context.size());
    if (levels.empty()) return {};
    for (const std::int64_t level :
         {std::int64_t{*std::ranges::min_element(levels)}, std::int64_t{*std::ranges::max_element(levels)}})
        if (level < -largest_level || level > largest_level) throw std::invalid_argument("an integer beyond 2^60");
    const Window window = best_window(levels);
    const std::size_t lanes = levels.size() < long_matrix ? 1 : 2;
    std::vector<std::uint8_t> first, second, out;
    std::array coders{RangeEncoder(first), RangeEncoder(second)};
    Symbols symbols(window, tables(context, use), static_cast<int>(lanes));
    each(levels.size(), cols, context, use, [&](std::size_t index, auto some, auto block) {
        std::copy_n(&levels[index], block.size(), block.begin());
        symbols.encode(coders, some, block);
    });
    for (std::size_t lane = 0; lane < lanes; ++lane) coders[lane].finish();
    out.push_back(static_cast<std::uint8_t>(window.depth | (use.rows ? rows_bit : 0) | (use.columns ? columns_bit : 0) |
                                            (lanes == 2 ? lanes_bit : 0)));
    put(out, static_cast<std::uint64_t>(window.lowest) << 1 ^ static_cast<std::uint64_t>(window.lowest >> 63));
    if (lanes == 2) put(out, first.size());
    out.insert(out.end(), first.begin(), first.end());
    out.insert(out.end(), second.begin(), second.end());
    return out;
}

template <class T>
void decode(std::span<const std::uint8_t> bytes, std::span<T> levels, std::size_t cols,
            std::span<const std::uint8_t> context) {
    check(levels.size(), cols, context.size());
    Head head(bytes);
    if (levels.empty()) {
        if (!bytes.empty()) throw std::invalid_argument("bytes of nothing");
        return;
    }
    const std::uint8_t kind = head.byte();
    const Classes use{.rows = (kind & rows_bit) != 0, .columns = (kind & columns_bit) != 0};
    Window window{kind & 15, 0};
    if (kind >> 7 != 0 || window.depth < 1 || window.depth > max_depth)
        throw std::invalid_argument("an unknown kind of code");
    const std::uint64_t zigzag = head.number();
    window.lowest = static_cast<std::int64_t>(zigzag >> 1) ^ -static_cast<std::int64_t>(zigzag & 1);
    if (window.lowest < -largest_level || window.lowest > largest_level)
        throw std::invalid_argument("a window that lies too far");
    const int lanes = (kind & lanes_bit) != 0 ? 2 : 1;
    const auto first = head.take(lanes == 2 ? head.number() : head.rest.size());
    std::array coders{RangeDecoder(first), RangeDecoder(head.rest)};
    Symbols symbols(window, tables(context, use), lanes);
    each(levels.size(), cols, context, use, [&](std::size_t index, auto some, auto block) {
        symbols.decode(coders, some, block);
        for (const std::int64_t level : block) {
            if (level < std::numeric_limits<T>::min() || level > std::numeric_limits<T>::max())
                throw std::invalid_argument("an integer that its type does not hold");
            levels[index++] = static_cast<T>(level);
        }
    });
    for (const RangeDecoder& coder : coders)
        if (!coder.exhausted()) throw std::invalid_argument("bytes behind its end");
}

template std::vector<std::uint8_t> encode(std::span<const std::int8_t>, std::size_t, std::span<const std::uint8_t>,
                                          Classes);
template std::vector<std::uint8_t> encode(std::span<const std::uint8_t>, std::size_t, std::span<const std::uint8_t>,
                                          Classes);
template std::vector<std::uint8_t> encode(std::span<const std::int64_t>, std::size_t, std::span<const std::uint8_t>,
                                          Classes);
template void decode(std::span<const std::uint8_t>, std::span<std::int8_t>, std::size_t, std::span<const std::uint8_t>);
template void decode(std::span<const std::uint8_t>, std::span<std::uint8_t>, std::size_t,
                     std::span<const std::uint8_t>);
template void decode(std::span<const std::uint8_t>, std::span<std::int64_t>, std::size_t,
                     std::span<const std::uint8_t>);

}  // namespace pentanet::archive
