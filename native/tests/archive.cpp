// The coder of archives: what it writes it reads, whatever the integers and contexts; other bytes make no fault.

#include "pentanet/archive.h"

#include <random>
#include <stdexcept>

#include "check.h"

namespace pentanet::test {
namespace {

using pentanet::archive::Classes;

constexpr std::int64_t edge = std::int64_t{1} << 60;

struct Matrix {
    std::vector<std::int64_t> levels;
    std::vector<std::uint8_t> context;
    std::size_t cols;
};

// Integers of up to `bits` bits, most of them small, so that windows, escapes and long distances all occur.
Matrix draw(std::mt19937_64& random, std::size_t rows, std::size_t cols, int bits, bool context) {
    Matrix made{{}, {}, cols};
    for (std::size_t i = 0; i < rows * cols; ++i) {
        const int size = bits == 0 ? 0 : static_cast<int>(random() % static_cast<unsigned>(bits + 1));
        const auto value = static_cast<std::int64_t>(size == 0 ? 0 : random() >> (64 - size));
        made.levels.push_back(random() % 2 == 0 ? value : -value);
        if (context) made.context.push_back(static_cast<std::uint8_t>(random() % 7));
    }
    return made;
}

bool round_trip(const Matrix& m, Classes use) {
    const auto bytes = pentanet::archive::encode<std::int64_t>(m.levels, m.cols, m.context, use);
    std::vector<std::int64_t> found(m.levels.size(), 77);
    pentanet::archive::decode<std::int64_t>(bytes, found, m.cols, m.context);
    return found == m.levels;
}

void round_trips(std::mt19937_64& random) {
    for (const int bits : {0, 1, 2, 7, 8, 9, 20, 59, 60})
        for (const std::size_t rows : {1u, 3u, 40u})
            for (const std::size_t cols : {1u, 31u, 32u, 65u})
                for (unsigned flags = 0; flags < 8; ++flags) {
                    const Matrix made = draw(random, rows, cols, bits, (flags & 4) != 0);
                    const Classes use{.rows = (flags & 1) != 0, .columns = (flags & 2) != 0};
                    check(round_trip(made, use), "archive of integers of " + std::to_string(bits) + " bits");
                }
    for (const unsigned flags : {0u, 3u})
        check(round_trip(draw(random, 1025, 257, 3, false), {.rows = flags != 0, .columns = flags != 0}),
              "archive of two lanes");
    check(round_trip({{edge, -edge, 0, edge}, {}, 2}, {}), "archive of the largest integers");
}

// Cut, changed and random bytes: an error, or integers; the sanitizers see to the rest.
void hostile(std::mt19937_64& random) {
    long refused = 0;
    for (int round = 0; round < 400; ++round) {
        const Matrix made =
            draw(random, 1 + random() % 9, 1 + random() % 70, static_cast<int>(random() % 61), round % 2);
        auto bytes = pentanet::archive::encode<std::int64_t>(made.levels, made.cols, made.context,
                                                             {.rows = round % 3 == 0, .columns = round % 5 == 0});
        if (round % 4 == 0) bytes.resize(random() % (bytes.size() + 1));
        if (round % 4 == 1) bytes.push_back(static_cast<std::uint8_t>(random()));
        if (round % 4 == 2 && !bytes.empty())
            bytes[random() % bytes.size()] ^= static_cast<std::uint8_t>(1 << random() % 8);
        if (round % 4 == 3)
            for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random());
        try {
            std::vector<std::int64_t> found(made.levels.size());
            pentanet::archive::decode<std::int64_t>(bytes, found, made.cols, made.context);
            std::vector<std::int8_t> narrow(made.levels.size());
            pentanet::archive::decode<std::int8_t>(bytes, narrow, made.cols, made.context);
        } catch (const std::invalid_argument&) {
            ++refused;
        }
    }
    check(refused > 50 && refused < 400, "archive: some damage is seen without a checksum");
}

}  // namespace

void archive() {
    std::mt19937_64 random(5);
    round_trips(random);
    hostile(random);
}

}  // namespace pentanet::test
