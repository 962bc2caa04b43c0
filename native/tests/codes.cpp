// What a matrix is made of: every instruction set takes the bytes that an encoder writes, and refuses all others.

#include <stdexcept>

#include "cases.h"
#include "check.h"
#include "pentanet/decode.h"
#include "pentanet/linear.h"

namespace pentanet::test {
namespace {

bool refused(const Codes& codes, const Isa& isa, Pool& pool) {
    try {
        const CodedMatrix matrix(codes, isa, pool);
    } catch (const std::invalid_argument&) {
        return true;
    }
    return false;
}

// The digits of the real rows and inputs, as the encoder takes them.
std::vector<int> decode(const Codes& codes) {
    std::vector<int> digit(static_cast<std::size_t>(codes.rows * codes.cols));
    with_layout(codes.layout, [&]<Layout L>() {
        constexpr Geometry g = geometry(L);
        const std::uint8_t* group = codes.bytes.data();
        for (int tile = 0; tile < codes.rows; tile += tile_rows)
            for (int first = 0; first < codes.cols; first += g.inputs(), group += g.group_bytes) {
                std::vector<std::uint8_t> found(static_cast<std::size_t>(g.digits * lanes));
                group_digits<L>(group, found.data());
                for (int i = 0; i < g.digits * lanes; ++i) {
                    const int row = tile + i % lanes / quad, col = first + i / lanes * quad + i % quad;
                    if (row >= codes.rows || col >= codes.cols) continue;
                    const std::uint8_t d = found[static_cast<std::size_t>(i)];
                    digit[static_cast<std::size_t>(row * codes.cols + col)] =
                        g.is_signed() ? static_cast<std::int8_t>(d) : d;
                }
            }
    });
    return digit;
}

// By the definition: the digits are on the grid, and the encoder makes the same bytes of them.
bool written_by_an_encoder(const Case& c) {
    const auto digit = decode(c.codes());
    const auto [lowest, spacing, size] = c.stored.grid;
    const bool is_signed = geometry(c.stored.layout).is_signed();
    for (const int d : digit) {
        const int above = is_signed ? d - lowest : d * spacing;
        if (above < 0 || above % spacing != 0 || above / spacing >= size) return false;
    }
    return encode(c.stored.layout, digit, c.shape.rows, c.shape.cols, c.stored.padding) == c.bytes;
}

void compare(const Case& c, Pool& pool, const char* what) {
    const bool valid = written_by_an_encoder(c);
    for (const Isa* isa : supported_isas())
        check(refused(c.codes(), *isa, pool) != valid, c.name(*isa, 0, 0) + (valid ? " takes " : " refuses ") + what);
}

// Every value of a byte, somewhere in the first group, which has no padding but that of sparse inputs.
void every_byte(const Stored& stored, std::mt19937& random, Pool& pool) {
    Case c(stored, {17, 36, 1}, Fill::random, random);
    compare(c, pool, "what it is given");
    for (unsigned value = 0; value < 256; ++value) {
        auto& byte = c.bytes[random() % static_cast<unsigned>(geometry(stored.layout).group_bytes)];
        const std::uint8_t before = byte;
        byte = static_cast<std::uint8_t>(value);
        compare(c, pool, "another byte");
        byte = before;
    }
}

// Padding and the tail, which are few of all bytes: each one changed, in a matrix that has all of them.
void every_place(const Stored& stored, std::mt19937& random, Pool& pool) {
    Case c(stored, {17, 4, 1}, Fill::random, random);
    for (auto& byte : c.bytes) {
        const std::uint8_t before = byte;
        byte = static_cast<std::uint8_t>(byte ^ 1u << random() % 8);
        compare(c, pool, "another bit");
        byte = before;
    }
}

// Where all bytes are valid, all sets take them for the same digits.
void random_bytes(const Stored& stored, std::mt19937& random, Pool& pool) {
    for (const Shape shape : {Shape{16, 128, 1}, Shape{48, 384, 1}, Shape{5, 20, 1}}) {
        Case c(stored, shape, Fill::random, random);
        for (auto& byte : c.bytes) byte = static_cast<std::uint8_t>(random());
        compare(c, pool, "random bytes");
        if (!written_by_an_encoder(c)) continue;
        std::vector<std::int8_t> x;
        for (int i = 0; i < shape.cols; ++i) x.push_back(static_cast<std::int8_t>(random() % 255 - 127));
        const auto rounded = Activations::exactly(x.data(), 1, shape.cols);
        std::vector<std::int32_t> right, sums(static_cast<std::size_t>(shape.rows));
        for (const Isa* isa : supported_isas()) {
            integer_sums(CodedMatrix(c.codes(), *isa, pool), rounded, sums.data(), pool);
            if (right.empty()) right = sums;
            check(sums == right, c.name(*isa, 1, pool.threads()) + " random bytes");
        }
    }
}

void sizes(const Isa& isa, std::mt19937& random, Pool& pool) {
    const Case c(stored[0], {16, 40, 1}, Fill::random, random);
    const auto with = [&](auto change) {
        Codes codes = c.codes();
        change(codes);
        return refused(codes, isa, pool);
    };
    const std::string name(isa.name);
    check(with([](Codes& codes) { codes.rows = 17; }), name + " another size");
    check(with([](Codes& codes) { codes.scale_groups = 3; }), name + " scale groups");
    check(with([](Codes& codes) { codes.cols = 0; }), name + " no columns");
    for (const Grid grid : {Grid{-2, 1, 4}, Grid{-2, 1, 0}, Grid{-2, 0, 5}, Grid{-129, 1, 5}, Grid{127, 1, 5}})
        check(with([grid](Codes& codes) { codes.grid = grid; }), name + " grid");
    check(!with([](Codes&) {}), name + " nothing wrong");
    Case sparse(stored[3], {16, 8, 1}, Fill::random, random);
    sparse.shape.cols = 6;
    check(refused(sparse.codes(), isa, pool), name + " sparse inputs that do not come in fours");
}

}  // namespace

void codes() {
    std::mt19937 random(1);
    Pool one(1), three(3);
    for (const Stored& kind : stored) {
        every_byte(kind, random, one);
        every_place(kind, random, one);
        random_bytes(kind, random, three);
    }
    for (const Isa* isa : supported_isas()) sizes(*isa, random, one);
}

}  // namespace pentanet::test
