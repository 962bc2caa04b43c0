// Loops over constants. Arrays that are indexed by constants become registers; gcc unrolls ordinary loops too late for
// that. Internal linkage, as in float_ops.h.
#pragma once

#include <utility>

namespace pentanet {
namespace {

// Calls f for 0, 1, .. N-1, each a constant.
template <int N, class F>
[[gnu::always_inline]] inline void unroll(F&& f) {
    [&]<int... I>(std::integer_sequence<int, I...>) __attribute__((always_inline)) {
        (f(std::integral_constant<int, I>{}), ...);
    }(std::make_integer_sequence<int, N>{});
}
#define PENTANET_EACH(i) [&](auto i) __attribute__((always_inline))

// Calls f with the count as a constant, from 1 to Most; not at all for other counts.
template <int Most, class F>
inline void with_count(int count, F&& f) {
    unroll<Most>([&](auto i) {
        if (count == i + 1) f(std::integral_constant<int, i + 1>{});
    });
}

}  // namespace
}  // namespace pentanet
