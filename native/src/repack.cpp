#include "repack.h"

#include <array>
#include <stdexcept>
#include <string>

#include "pentanet/lanes.h"

namespace pentanet {
namespace {

[[noreturn]] void refuse(Layout layout) {
    throw std::invalid_argument("a byte that is not a code of '" + std::string(geometry(layout).name) +
                                "'. The file is damaged or was not written by pentanet; pack the model again.");
}

constexpr std::uint8_t bad_nibbles = 0xFF;

// A code of three base-5 digits as nibbles 3 d0 + a and 3 d2 + b, where a + b = d1 and both are below 3.
constexpr std::array<std::uint8_t, 128> nibbles_of_code = [] {
    std::array<std::uint8_t, 128> table{};
    for (unsigned code = 0; code < 128; ++code) {
        const unsigned d0 = code % 5, d1 = code / 5 % 5, d2 = code / 25, a = d1 < 2 ? d1 : 2, b = d1 - a;
        table[code] = code < 125 ? static_cast<std::uint8_t>((3 * d0 + a) | (3 * d2 + b) << 4) : bad_nibbles;
    }
    return table;
}();

std::vector<std::uint8_t> to_nibbles(const Codes& codes) {
    const std::size_t groups = tiles_of(codes.rows) * static_cast<std::size_t>(geometry(codes.layout).groups(codes.cols));
    std::vector<std::uint8_t> out(packed_size(Layout::pentanary_nibbles, codes.rows, codes.cols));
    bool bad = false;
    for (std::size_t group = 0; group < groups; ++group) {
        const auto lane = group_lanes<Layout::pentanary_7bit>(codes.bytes.data() + 56 * group);
        for (std::size_t i = 0; i < lanes; ++i) {
            const std::uint8_t nibbles = nibbles_of_code[lane[i]];
            bad |= nibbles == bad_nibbles;
            out[lanes * group + i] = nibbles;
        }
    }
    if (bad) refuse(codes.layout);
    return out;
}

constexpr std::uint16_t bad_trits = 0xFFFF;

// A fraction of five trits as five fields of 2 bits.
constexpr std::array<std::uint16_t, 256> trits_of_fraction = [] {
    std::array<std::uint16_t, 256> table{};
    table.fill(bad_trits);
    for (unsigned value = 0; value < 243; ++value) {
        unsigned fields = 0, rest = value;
        for (int place = 4; place >= 0; --place, rest /= 3) fields |= rest % 3 << (2 * place);
        table[(256 * value + 242) / 243] = static_cast<std::uint16_t>(fields);
    }
    return table;
}();

// Four groups of five trits are five groups of four: 40 bits to a lane.
std::vector<std::uint8_t> to_two_bits(const Codes& codes) {
    constexpr std::uint16_t zeros = 0b01'01'01'01'01;  // digit 1 is level 0
    const int from = geometry(codes.layout).groups(codes.cols), to = geometry(Layout::ternary_2bit).groups(codes.cols);
    std::vector<std::uint8_t> out(packed_size(Layout::ternary_2bit, codes.rows, codes.cols));
    const std::uint8_t* in = codes.bytes.data();
    std::uint8_t* next = out.data();
    bool bad = false;
    for (std::size_t tile = 0; tile < tiles_of(codes.rows); ++tile) {
        for (int group = 0, made = 0; group < from; group += 4, made += 5) {
            const int filled = from - group < 4 ? from - group : 4, wanted = to - made < 5 ? to - made : 5;
            for (int lane = 0; lane < lanes; ++lane) {
                std::uint64_t bits = 0;
                for (int g = 0; g < 4; ++g) {
                    const std::uint16_t trits = g < filled ? trits_of_fraction[in[g * lanes + lane]] : zeros;
                    bad |= trits == bad_trits;
                    bits |= std::uint64_t{trits} << (10 * g);
                }
                for (int g = 0; g < wanted; ++g) next[g * lanes + lane] = static_cast<std::uint8_t>(bits >> (8 * g));
            }
            in += filled * lanes;
            next += (wanted > 0 ? wanted : 0) * lanes;
        }
    }
    if (bad) refuse(codes.layout);
    return out;
}

}  // namespace

std::vector<std::uint8_t> repack(const Codes& codes, Layout to) {
    if (codes.layout == Layout::pentanary_7bit && to == Layout::pentanary_nibbles) return to_nibbles(codes);
    if (codes.layout == Layout::ternary_5in8 && to == Layout::ternary_2bit) return to_two_bits(codes);
    throw std::logic_error("no way from layout '" + std::string(geometry(codes.layout).name) + "' to '" +
                           std::string(geometry(to).name) + "'");
}

}  // namespace pentanet
