#include "product/repack.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "pentanet/decode.h"

namespace pentanet {
namespace {

// A code of three base-5 digits as nibbles 3 d0 + a and 3 d2 + b, where a + b = d1 and both are below 3.
constexpr std::array<std::uint8_t, 125> nibbles_of_code = [] {
    std::array<std::uint8_t, 125> table{};
    for (unsigned code = 0; code < table.size(); ++code) {
        const unsigned d0 = code % 5, d1 = code / 5 % 5, d2 = code / 25, a = d1 < 2 ? d1 : 2, b = d1 - a;
        table[code] = static_cast<std::uint8_t>((3 * d0 + a) | (3 * d2 + b) << 4);
    }
    return table;
}();

// A fraction of five trits as five fields of 2 bits.
constexpr std::array<std::uint16_t, 256> trits_of_fraction = [] {
    std::array<std::uint16_t, 256> table{};
    for (unsigned value = 0; value < 243; ++value) {
        unsigned fields = 0, rest = value;
        for (int place = 4; place >= 0; --place, rest /= 3) fields |= rest % 3 << (2 * place);
        table[(256 * value + 242) / 243] = static_cast<std::uint16_t>(fields);
    }
    return table;
}();

}  // namespace

void repack_pentanary(const std::uint8_t* tile, int cols, std::uint8_t* out) {
    constexpr Geometry from = geometry(Layout::pentanary_7bit);
    for (int group = 0; group < from.groups(cols); ++group, tile += from.group_bytes) {
        for (const std::uint8_t code : group_lanes<Layout::pentanary_7bit>(tile)) *out++ = nibbles_of_code[code];
    }
}

// Four groups of five trits per lane become five groups of four.
void repack_ternary(const std::uint8_t* tile, int cols, std::uint8_t* out) {
    constexpr std::uint64_t zeros = 0b01'01'01'01'01;  // digit 1 is level 0
    const int from = geometry(Layout::ternary_5in8).groups(cols), to = geometry(Layout::ternary_2bit).groups(cols);
    for (int group = 0, made = 0; group < from; group += 4, made += 5) {
        const int filled = std::min(from - group, 4), wanted = std::min(to - made, 5);
        for (int lane = 0; lane < lanes; ++lane) {
            std::uint64_t bits = 0;
            for (int g = 0; g < 4; ++g) {
                const std::uint64_t trits = g < filled ? trits_of_fraction[tile[g * lanes + lane]] : zeros;
                bits |= trits << (10 * g);
            }
            for (int g = 0; g < wanted; ++g) out[g * lanes + lane] = static_cast<std::uint8_t>(bits >> (8 * g));
        }
        tile += filled * lanes;
        out += std::max(wanted, 0) * lanes;
    }
}

// Each word of 2-bit fields, four lanes of one row, takes the digits of four codes. All codes are valid.
void repack_sparse(const std::uint8_t* tile, int cols, std::uint8_t* out) {
    constexpr Geometry from = geometry(Layout::sparse_ternary_5bit);
    const auto digits = [](std::uint8_t code) {
        std::uint32_t word;
        std::memcpy(&word, sparse_digits[code].data(), sizeof word);
        return word;
    };
    for (int left = geometry(Layout::ternary_2bit).groups(cols); left > 0; left -= 8, tile += from.group_bytes) {
        const std::size_t made = static_cast<std::size_t>(std::min(left, 8));
        for (std::size_t row = 0; row < tile_rows; ++row) {
            const auto code = sparse_codes(tile, row);
            for (std::size_t g = 0; g < made; ++g) {
                const std::uint8_t* four = code.data() + 4 * g;
                const std::uint32_t fields =
                    digits(four[0]) | digits(four[1]) << 2 | digits(four[2]) << 4 | digits(four[3]) << 6;
                std::memcpy(out + g * lanes + row * quad, &fields, sizeof fields);
            }
        }
        out += made * lanes;
    }
}

}  // namespace pentanet
