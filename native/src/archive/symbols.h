// An integer as bits: its place in a window of 2^depth - 1 integers, or an escape and how far outside it lies.
#pragma once

#include <bit>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <vector>

#include "archive/range_coder.h"

namespace pentanet::archive {

inline constexpr std::int64_t largest_level = std::int64_t{1} << 60;
inline constexpr int max_depth = 8;

// Bits of the place, highest first, each with a probability for what came before it: an order-0 code of any alphabet.
// All integers take as many steps, so that a processor sees no jump that it could guess wrong. The distance outside is
// an Elias gamma code whose bits learn too.
struct Window {
    int depth = 1;
    std::int64_t lowest = 0;

    std::uint32_t escape() const { return (1u << depth) - 1; }
    std::int64_t highest() const { return lowest + escape() - 1; }
};

// A long matrix has two lanes, each with a coder and probabilities of its own: the first takes the first half of each
// block, the second the other one. A processor works on both at once, as none waits for the other.
class Symbols {
public:
    Symbols(Window window, std::size_t contexts, int lanes)
        : window_(window), contexts_(contexts), lanes_(lanes), tree_(2 * contexts << window.depth),
          distance_(std::size_t{2 * 64 * 64}) {}

    void encode(std::span<RangeEncoder> coders, std::span<const std::uint32_t> contexts,
                std::span<const std::int64_t> levels) {
        const std::size_t first = levels.size() - second_half(levels.size());
        encode(coders[0], 0, contexts.first(first), levels.first(first));
        if (first < levels.size()) encode(coders[1], 1, contexts.subspan(first), levels.subspan(first));
    }

    // The coders are copied, so that they stay in registers.
    void decode(std::span<RangeDecoder> coders, std::span<const std::uint32_t> contexts,
                std::span<std::int64_t> levels) {
        with_depth([&]<int depth>() {
            const std::size_t both = second_half(levels.size()), first = levels.size() - both;
            RangeDecoder one = coders[0], two = coders.back();
            for (std::size_t i = 0; i < both; ++i) {
                Adaptive *left = tree(0, contexts[i]), *right = tree(1, contexts[first + i]);
                std::uint32_t l = 1, r = 1;
                for (int bit = 0; bit < depth; ++bit) {
                    l = 2 * l + one.decode(left[l]);
                    r = 2 * r + two.decode(right[r]);
                }
                levels[i] = level(l, one, 0);
                levels[first + i] = level(r, two, 1);
            }
            for (std::size_t i = both; i < first; ++i) {
                Adaptive* nodes = tree(0, contexts[i]);
                std::uint32_t node = 1;
                for (int bit = 0; bit < depth; ++bit) node = 2 * node + one.decode(nodes[node]);
                levels[i] = level(node, one, 0);
            }
            if (both > 0) coders.back() = two;
            coders[0] = one;
        });
    }

private:
    std::size_t second_half(std::size_t n) const { return lanes_ == 2 ? n / 2 : 0; }

    Adaptive* tree(std::size_t lane, std::size_t context) {
        return &tree_[(lane * contexts_ + context) << window_.depth];
    }

    Adaptive& distance(std::size_t lane, int exponent, int bit) {
        return distance_[(64 * lane + static_cast<std::size_t>(exponent)) * 64 + static_cast<std::size_t>(bit)];
    }

    void encode(RangeEncoder& coder, std::size_t lane, std::span<const std::uint32_t> contexts,
                std::span<const std::int64_t> levels) {
        with_depth([&]<int depth>() {
            RangeEncoder local = coder;
            for (std::size_t i = 0; i < levels.size(); ++i) {
                Adaptive* nodes = tree(lane, contexts[i]);
                const bool inside = levels[i] >= window_.lowest && levels[i] <= window_.highest();
                const auto symbol = inside ? static_cast<std::uint32_t>(levels[i] - window_.lowest) : window_.escape();
                std::uint32_t node = 1;
                for (int bit = depth - 1; bit >= 0; --bit) {
                    const bool one = symbol >> bit & 1;
                    local.encode(nodes[node], one);
                    node = 2 * node + one;
                }
                if (!inside) local = encode_distance(local, levels[i], lane);
            }
            coder = local;
        });
    }

    // By value, as a reference would force the coder out of its registers.
    [[gnu::noinline]] RangeEncoder encode_distance(RangeEncoder coder, std::int64_t level, std::size_t lane) {
        const bool below = level < window_.lowest;
        const auto beyond = static_cast<std::uint64_t>(below ? window_.lowest - level : level - window_.highest());
        const std::uint64_t value = 2 * beyond - below;  // from 1 on
        const int exponent = std::bit_width(value) - 1;
        for (int e = 0; e < exponent; ++e) coder.encode(distance(lane, e, 63), true);
        if (exponent < 62) coder.encode(distance(lane, exponent, 63), false);
        for (int bit = exponent - 1; bit >= 0; --bit) coder.encode(distance(lane, exponent, bit), value >> bit & 1);
        return coder;
    }

    std::int64_t level(std::uint32_t node, RangeDecoder& coder, std::size_t lane) {
        const std::uint32_t symbol = node - (1u << window_.depth);
        if (symbol != window_.escape()) return window_.lowest + symbol;
        std::int64_t found = 0;
        coder = decode_distance(coder, found, lane);
        return found;
    }

    [[gnu::noinline]] RangeDecoder decode_distance(RangeDecoder coder, std::int64_t& level, std::size_t lane) {
        int exponent = 0;
        while (exponent < 62 && coder.decode(distance(lane, exponent, 63))) ++exponent;
        std::uint64_t value = 1;
        for (int bit = exponent - 1; bit >= 0; --bit) value = value << 1 | coder.decode(distance(lane, exponent, bit));
        const std::int64_t beyond = static_cast<std::int64_t>(value / 2 + value % 2);
        level = value % 2 != 0 ? window_.lowest - beyond : window_.highest() + beyond;
        if (level < -largest_level || level > largest_level)
            throw std::invalid_argument("an integer beyond 2^60, which no encoder writes");
        return coder;
    }

    template <class Body>
    void with_depth(const Body& body) {
        switch (window_.depth) {
            case 1: return body.template operator()<1>();
            case 2: return body.template operator()<2>();
            case 3: return body.template operator()<3>();
            case 4: return body.template operator()<4>();
            case 5: return body.template operator()<5>();
            case 6: return body.template operator()<6>();
            case 7: return body.template operator()<7>();
            default: return body.template operator()<8>();
        }
    }

    Window window_;
    std::size_t contexts_;
    int lanes_;
    std::vector<Adaptive> tree_;      // [lane][context][node]
    std::vector<Adaptive> distance_;  // [lane][exponent][bit of the rest; 63: whether the exponent is larger]
};

}  // namespace pentanet::archive
