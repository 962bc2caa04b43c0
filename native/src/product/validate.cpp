// Reads all weights when a model is opened, so the loops over lanes take 8 to 16 bytes at a time. That is fast enough
// without code of its own for each instruction set.

#include "product/validate.h"

#include <array>
#include <cstring>

#include "pentanet/decode.h"

namespace pentanet {
namespace {

using Word = std::uint64_t;
using Bytes = std::uint8_t __attribute__((vector_size(16)));

template <class T>
T load(const std::uint8_t* p) {
    T value;
    std::memcpy(&value, p, sizeof value);
    return value;
}

constexpr Word in_each_byte(unsigned value) { return Word{0x0101010101010101} * value; }

bool any(const Bytes& mask) {
    return (load<Word>(reinterpret_cast<const std::uint8_t*>(&mask)) |
            load<Word>(reinterpret_cast<const std::uint8_t*>(&mask) + 8)) != 0;
}

// Codes of 7 bits below 125: adding 3 carries into the bit above from 125 on. Every second code of eight at a time.
bool seven_bits(const std::uint8_t* p, std::size_t size) {
    constexpr Word every_second = 1 | Word{1} << 14 | Word{1} << 28 | Word{1} << 42;
    Word bad = 0;
    const auto look = [&bad](Word eight) {
        bad |=
            ((eight & 127 * every_second) + 3 * every_second) | ((eight >> 7 & 127 * every_second) + 3 * every_second);
    };
    for (const std::uint8_t* const end = p + size; p != end; p += 56) {
        for (int i = 0; i < 49; i += 7) look(load<Word>(p + i));
        look(load<Word>(p + 48) >> 8);  // bytes after the last group must not be read
    }
    return (bad & 128 * every_second) == 0;
}

// Fractions of five trits. Valid codes are exactly ceil(256 v / 243), v = 0..242. Then 243 * code mod 256 < 243, and no
// other byte has that property. 243 = -13 (mod 256), so equivalently 13 * code mod 256 is 0 or >= 14.
bool fractions(const std::uint8_t* p, std::size_t size) {
    Bytes bad{};
    for (std::size_t i = 0; i < size; i += sizeof(Bytes)) {
        const Bytes v = load<Bytes>(p + i), twice = v + v, four = twice + twice, product = four + four + four + v;
        bad |= reinterpret_cast<Bytes>(product - 1 < 13);
    }
    return !any(bad);
}

// Fields of two bits that are not 3.
bool fields(const std::uint8_t* p, std::size_t size) {
    Word bad = 0;
    for (std::size_t i = 0; i < size; i += sizeof(Word)) {
        const Word v = load<Word>(p + i);
        bad |= v & v >> 1;
    }
    return (bad & in_each_byte(0x55)) == 0;
}

bool nibbles(const std::uint8_t* p, std::size_t size, unsigned levels) {
    const Word up = in_each_byte(16 - levels), low = in_each_byte(15);  // carries into bit 4 from `levels` on
    Word bad = 0;
    for (std::size_t i = 0; i < size; i += sizeof(Word)) {
        const Word v = load<Word>(p + i);
        bad |= ((v & low) + up) | ((v >> 4 & low) + up);
    }
    return (bad & in_each_byte(16)) == 0;
}

bool levels(const std::uint8_t* p, std::size_t size, const Grid& grid) {
    const auto lowest = static_cast<std::uint8_t>(grid.lowest), last = static_cast<std::uint8_t>(grid.size - 1);
    Bytes bad{};
    for (std::size_t i = 0; i < size; i += sizeof(Bytes)) {
        Bytes digit = load<Bytes>(p + i) - lowest;
        if (grid.spacing == 2) digit = digit >> 1 | digit << 7;  // one that lies between two levels becomes a large one
        bad |= reinterpret_cast<Bytes>(digit > last);
    }
    return !any(bad);
}

template <Layout L>
bool valid_lanes(const std::uint8_t* p, std::size_t size, const Grid& grid) {
    if constexpr (L == Layout::pentanary_7bit) return seven_bits(p, size);
    if constexpr (L == Layout::ternary_5in8) return fractions(p, size);
    if constexpr (L == Layout::ternary_2bit) return fields(p, size);
    if constexpr (L == Layout::nibble) return nibbles(p, size, static_cast<unsigned>(grid.size));
    if constexpr (L == Layout::byte) return levels(p, size, grid);
    return true;  // every value is a code
}

// The digit of padding at the four inputs of a quad; for signed lanes, the level.
template <Layout L>
std::array<std::uint8_t, quad> padding(const Grid& grid) {
    if constexpr (L == Layout::sparse_ternary_5bit) return sparse_digits[0];
    const bool has_zero =
        grid.lowest <= 0 && -grid.lowest % grid.spacing == 0 && -grid.lowest / grid.spacing < grid.size;
    const int digit = has_zero ? -grid.lowest / grid.spacing : 0;
    const auto value = static_cast<std::uint8_t>(geometry(L).is_signed() ? grid.lowest + grid.spacing * digit : digit);
    return {value, value, value, value};
}

// Rows from `rows` on and inputs from `cols` on, in the groups that have some.
template <Layout L>
bool valid_padding(const std::uint8_t* tile, int rows, int cols, const Grid& grid) {
    constexpr Geometry g = geometry(L);
    const auto expected = padding<L>(grid);
    const int groups = g.groups(cols);
    const int first = rows < tile_rows ? 0 : cols % g.inputs() != 0 ? groups - 1 : groups;
    bool valid = true;
    for (int group = first; group < groups; ++group) {
        std::array<std::uint8_t, static_cast<std::size_t>(g.digits) * lanes> digits;
        group_digits<L>(tile + std::ptrdiff_t{group} * g.group_bytes, digits.data());
        for (int place = 0; place < g.digits * lanes; ++place) {
            const int row = place % lanes / quad, input = place % quad;
            const int col = group * g.inputs() + place / lanes * quad + input;
            if (row >= rows || col >= cols)
                valid &= digits[static_cast<std::size_t>(place)] == expected[static_cast<std::size_t>(input)];
        }
    }
    return valid;
}

}  // namespace

bool valid_tile(const Codes& codes, std::size_t tile) {
    const std::size_t size = tile_bytes(codes.layout, codes.cols);
    const std::uint8_t* p = codes.bytes.data() + tile * size;
    const auto above = static_cast<int>(tile * tile_rows);
    return with_layout(codes.layout, [&]<Layout L>() {
        return valid_lanes<L>(p, size, codes.grid) && valid_padding<L>(p, codes.rows - above, codes.cols, codes.grid);
    });
}

bool valid_tail(const Codes& codes) {
    const std::size_t used = tiles_of(codes.rows) * tile_bytes(codes.layout, codes.cols);
    bool zero = true;
    for (const std::uint8_t byte : codes.bytes.subspan(used)) zero &= byte == 0;
    return zero;
}

}  // namespace pentanet
