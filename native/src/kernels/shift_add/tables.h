// The tables that the sets without multiplication look their sums up in. Internal linkage, as in float_ops.h.
//
// In every layout in memory a lane is two nibbles, and each nibble alone says what a few inputs add to the sum of a
// row. So for each input of a quad and each nibble there is a table of 16 sums of activations, built by shifts and
// additions. A sum is stored as two bytes, its lowest 5 bits and the rest: then some of them can be added before a byte
// overflows.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>

#include "kernels/shift_add/isa.h"
#include "kernels/unroll.h"

namespace pentanet::shift_add {
namespace {

constexpr int entries = 16;
constexpr int low_bits = 5;

// A group has for each of two nibbles the low parts of four inputs and the high parts of four inputs, 16 bytes each.
constexpr int part_bytes = quad * entries, nibble_bytes = 2 * part_bytes, group_bytes = 2 * nibble_bytes;

// The factor of digit `input` of a lane, moved by offset<L>, in entry n of a nibble's table: an entry is the sum over
// inputs of coefficient * activation. In `byte`, the upper nibble is worth 16 times its entry; `total` shifts it.
template <Layout L>
constexpr int coefficient(int nibble, int input, int n) {
    if constexpr (L == Layout::pentanary_nibbles)
        return input == 1 ? n % 3 - 1 : input == 2 * nibble ? n / 3 - 2 : 0;
    else if constexpr (L == Layout::ternary_2bit)
        return input == 2 * nibble ? (n & 3) - 1 : input == 2 * nibble + 1 ? (n >> 2) - 1 : 0;
    else if constexpr (L == Layout::binary_1bit)
        return input / 4 == nibble ? n >> input % 4 & 1 : 0;
    else if constexpr (L == Layout::nibble)
        return input == nibble ? n - 8 : 0;
    else
        return nibble == 0 ? n - 8 : (n ^ 8) - 8;
}

// Wherever one nibble has one digit alone, sums are up to 8 * 127; elsewhere up to 4 * 127. They are moved up to be
// positive.
template <Layout L>
constexpr bool apart = L == Layout::nibble || L == Layout::byte;
template <Layout L>
constexpr int moved_up = apart<L> ? 1024 : 512;

// By how much the sums of a group are too large then: of each nibble where they are summed apart, else of both.
constexpr int bias_bits = 12;
static_assert(quad * moved_up<Layout::byte> == 1 << bias_bits &&
              2 * quad * moved_up<Layout::ternary_2bit> == 1 << bias_bits);

// The sum of a row from those of its lower and upper nibbles.
template <Layout L>
constexpr std::int32_t total(std::int32_t lower, std::int32_t upper, int groups) {
    const std::int32_t bias = groups << bias_bits;
    if constexpr (L == Layout::byte) return (lower - bias) + ((upper - bias) << 4);
    if constexpr (L == Layout::nibble) return (lower - bias) + (upper - bias);
    return lower + upper - bias;
}

template <Layout L>
constexpr bool sums_fit() {
    for (int nibble = 0; nibble < 2; ++nibble)
        for (int n = 0; n < entries; ++n) {
            int most = 0;
            for (int input = 0; input < geometry(L).digits; ++input) {
                const int c = coefficient<L>(nibble, input, n);
                most += (c < 0 ? -c : c) * 127;
            }
            if (most >= moved_up<L>) return false;
        }
    return true;
}

using Entries = std::uint16_t __attribute__((vector_size(2 * entries)));
using Bytes = std::uint8_t __attribute__((vector_size(entries)));

template <Layout L, int Nibble, int Input>
constexpr int least = [] {
    int found = 0;
    for (int n = 0; n < entries; ++n)
        if (coefficient<L>(Nibble, Input, n) < found) found = coefficient<L>(Nibble, Input, n);
    return found;
}();

// The entries whose coefficient, less the smallest one, has this bit.
using Mask = std::array<std::uint16_t, entries>;
template <Layout L, int Nibble, int Input, int Bit>
constexpr Mask has_bit = [] {
    Mask mask{};
    for (int n = 0; n < entries; ++n)
        if ((coefficient<L>(Nibble, Input, n) - least<L, Nibble, Input>) >> Bit & 1)
            mask[static_cast<std::size_t>(n)] = 0xFFFF;
    return mask;
}();

// Adds coefficient * x to all entries, in a power of two at a time.
template <Layout L, int Nibble, int Input>
[[gnu::always_inline]] inline void add_input(Entries& sums, std::int16_t value) {
    constexpr int below = -least<L, Nibble, Input>;
    const Entries x = Entries{} + static_cast<std::uint16_t>(value);
    if constexpr (below != 0) {
        static_assert(std::has_single_bit(static_cast<unsigned>(below)));
        sums -= x << std::countr_zero(static_cast<unsigned>(below));
    }
    unroll<4>(PENTANET_EACH(bit) {
        constexpr Mask mask = has_bit<L, Nibble, Input, bit>;
        if constexpr (mask != Mask{}) sums += x << bit.value & std::bit_cast<Entries>(mask);
    });
}

template <Layout L, int Nibble>
[[gnu::always_inline]] inline void build_nibble(const std::int8_t* x, std::uint8_t* tables) {
    Entries sums = Entries{} + static_cast<std::uint16_t>(moved_up<L>);
    unroll<geometry(L).digits>(PENTANET_EACH(input) { add_input<L, Nibble, input>(sums, x[input * quad]); });
    constexpr std::uint16_t low_part = (1 << low_bits) - 1;
    const Bytes low = __builtin_convertvector(sums & low_part, Bytes);
    const Bytes high = __builtin_convertvector(sums >> low_bits, Bytes);
    std::memcpy(tables, &low, entries);
    std::memcpy(tables + part_bytes, &high, entries);
}

template <Layout L>
void build(const std::int8_t* x, int groups, std::uint8_t* tables) {
    static_assert(sums_fit<L>());
    const std::uint8_t* end =
        tables + std::ptrdiff_t{groups} * group_bytes;  // a power of two, so it is found by a shift
    for (; tables != end; x += geometry(L).inputs(), tables += group_bytes)
        for (int input = 0; input < quad; ++input) {
            build_nibble<L, 0>(x + input, tables + input * entries);
            build_nibble<L, 1>(x + input, tables + nibble_bytes + input * entries);
        }
}

// Calls visit.template operator()<L>() for a layout in memory.
template <class Visit>
constexpr decltype(auto) choose(Layout layout, Visit visit) {
    switch (layout) {
        case Layout::pentanary_nibbles: return visit.template operator()<Layout::pentanary_nibbles>();
        case Layout::ternary_2bit: return visit.template operator()<Layout::ternary_2bit>();
        case Layout::binary_1bit: return visit.template operator()<Layout::binary_1bit>();
        case Layout::nibble: return visit.template operator()<Layout::nibble>();
        default: return visit.template operator()<Layout::byte>();
    }
}

}  // namespace
}  // namespace pentanet::shift_add
