// Pieces of an arena: where they lie, and that matrices keep it.

#include "pentanet/arena.h"

#include <cstdint>
#include <cstring>

#include "cases.h"
#include "check.h"
#include "pentanet/linear.h"

namespace pentanet::test {
namespace {

void pieces() {
    Arena arena(256);
    std::uint8_t* const first = arena.take(65);
    std::uint8_t* const second = arena.take(64);
    check(second == first + 128, "the next piece lies behind the first, on a boundary of 64 bytes");
    std::memset(first, 1, 65);
    std::memset(second, 2, 64);
    std::uint8_t* const large = arena.take(1000);  // more than a slab, and more than what is left of it
    std::memset(large, 3, 1000);
    check(reinterpret_cast<std::uintptr_t>(large) % 64 == 0, "a large piece begins on a boundary");
    check(first[64] == 1 && second[0] == 2 && second[63] == 2, "pieces do not overlap");
    std::uint8_t* const last = arena.take(1);
    std::memset(last, 4, 1);
    check(large[999] == 3, "nor does what follows a large piece");
}

// One scale for all rows, or the same scale in each; in place, or in memory that outlives its other owner and the
// codes.
void owners() {
    std::mt19937 random(5);
    Pool pool(2);
    for (const Stored& kind : stored)
        for (const Isa* isa : supported_isas()) {
            Case c(kind, {50, 240, 1}, Fill::random, random);
            c.scales.assign(50, 0.25f);
            Codes shared = c.codes();
            shared.scales = shared.scales.first(1);
            shared.scale_rows = 1;
            auto arena = std::make_shared<Arena>(std::size_t{1} << 14);
            const CodedMatrix borrowed(shared, *isa, pool), taken(shared, *isa, pool, arena),
                by_row(c.codes(), *isa, pool, arena);
            arena.reset();
            std::vector<std::int8_t> x(240);
            for (std::size_t i = 0; i < x.size(); ++i)
                x[i] = static_cast<std::int8_t>(static_cast<int>(i * 37 % 255) - 127);
            const auto product = [&](const CodedMatrix& matrix) {
                std::vector<float> y(50);
                linear(matrix, Activations::exactly(x.data(), 1, 240), y.data(), pool);
                return y;
            };
            const std::vector<float> right = product(borrowed);
            c.bytes.assign(c.bytes.size(), 0xFF);
            check(product(taken) == right && product(by_row) == right, c.name(*isa, 1, 2) + " in an arena");
        }
}

}  // namespace

void arena() {
    pieces();
    owners();
}

}  // namespace pentanet::test
