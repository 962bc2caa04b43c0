// Every layout x grid x shape x tokens x threads x instruction set, against sums over the levels: equality, no tolerance.

#include <algorithm>
#include <cstring>
#include <random>
#include <stdexcept>

#include "check.h"
#include "encode.h"
#include "pentanet/linear.h"

namespace pentanet::test {
namespace {

struct Grid {
    Layout layout;
    Levels levels;
    int size;
    int padding;
};

constexpr Grid grids[] = {
    {Layout::pentanary_7bit, {-2, 1}, 5, 2}, {Layout::ternary_5in8, {-1, 1}, 3, 1}, {Layout::ternary_2bit, {-1, 1}, 3, 1},
    {Layout::sparse_ternary_5bit, {-1, 1}, 3, 1},
    {Layout::binary_1bit, {-1, 2}, 2, 0},    {Layout::nibble, {-3, 2}, 4, 0},       {Layout::nibble, {-4, 1}, 9, 4},
    {Layout::nibble, {-8, 1}, 16, 8},        {Layout::byte, {0, 1}, 256, 0},
};

// Shapes about the edges of tiles and groups, and rows that are long enough for 16-bit sums to overflow many times.
struct Shape {
    int rows, cols, scale_groups;
};
constexpr Shape shapes[] = {{1, 1, 1},   {16, 12, 1},  {17, 35, 5},    {5, 20, 4},    {33, 64, 2},
                            {48, 97, 1}, {16, 128, 8}, {31, 2050, 1}, {40, 1536, 12}, {86, 400, 1},
                            {19, 260, 2}};

enum class Fill { random, largest, alternating };

bool is_sparse(const Grid& grid) { return grid.layout == Layout::sparse_ternary_5bit; }

// Digit i of a sparse row: exactly one of four is 1, the level 0; its place goes round.
int sparse_digit(Fill fill, int i, std::mt19937& random) {
    if (i % 4 == (i / 4 + i / 64) % 4) return 1;
    if (fill == Fill::alternating) return i % 2 * 2;
    return fill == Fill::largest || random() % 2 ? 2 : 0;
}

struct Case {
    Grid grid;
    Shape shape;
    Fill fill;
    std::vector<int> level;  // [rows, cols]
    std::vector<std::uint8_t> bytes;
    std::vector<float> scales;

    Case(Grid g, Shape s, Fill f, std::mt19937& random) : grid(g), shape(s), fill(f) {
        const bool is_signed = g.layout == Layout::byte;
        std::vector<int> digit;
        for (int i = 0; i < s.rows * s.cols; ++i) {
            int d = static_cast<int>(random() % static_cast<unsigned>(g.size));
            if (f == Fill::largest) d = g.size - 1;
            if (f == Fill::alternating) d = i % 2 ? 0 : g.size - 1;
            if (is_sparse(g)) d = sparse_digit(f, i, random);
            if (is_signed) d = f == Fill::largest ? -128 : d - 128;
            digit.push_back(d);
            level.push_back(is_signed ? d : g.levels.lowest + g.levels.spacing * d);
        }
        bytes = encode(g.layout, digit, s.rows, s.cols, g.padding);
        for (int i = 0; i < s.rows * s.scale_groups; ++i) scales.push_back(0.01f + static_cast<float>(random() % 1000) / 999);
    }

    Codes codes() const {
        return {grid.layout, grid.levels, shape.rows, shape.cols, bytes, scales, shape.rows, shape.scale_groups};
    }

    std::string name(const Isa& isa, int tokens, int threads) const {
        return std::string(isa.name) + " " + std::string(geometry(grid.layout).name) + " " + std::to_string(grid.size) +
               " levels " + std::to_string(shape.rows) + "x" + std::to_string(shape.cols) + " fill " +
               std::to_string(static_cast<int>(fill)) + " tokens " + std::to_string(tokens) + " threads " +
               std::to_string(threads);
    }
};

std::vector<std::int8_t> activations(Fill fill, int count, std::mt19937& random) {
    std::vector<std::int8_t> x;
    for (int i = 0; i < count; ++i) {
        int v = static_cast<int>(random() % 255) - 127;
        if (fill == Fill::largest) v = i / 64 % 2 ? -127 : 127;
        if (fill == Fill::alternating) v = i % 2 ? -127 : 127;
        x.push_back(static_cast<std::int8_t>(v));
    }
    return x;
}

std::vector<std::int32_t> expected(const Case& c, const std::vector<std::int8_t>& x, int tokens) {
    const auto [rows, cols, groups] = c.shape;
    std::vector<std::int32_t> sums;
    for (int g = 0; g < groups; ++g)
        for (int t = 0; t < tokens; ++t)
            for (int r = 0; r < rows; ++r) {
                std::int32_t sum = 0;
                for (int col = g * (cols / groups); col < (g + 1) * (cols / groups); ++col)
                    sum += c.level[static_cast<std::size_t>(r * cols + col)] * x[static_cast<std::size_t>(t * cols + col)];
                sums.push_back(sum);
            }
    return sums;
}

std::vector<float> scaled(const Case& c, const std::vector<std::int32_t>& sums, int tokens) {
    const auto [rows, cols, groups] = c.shape;
    std::vector<float> y;
    for (int t = 0; t < tokens; ++t)
        for (int r = 0; r < rows; ++r) {
            float total = 0;
            for (int g = 0; g < groups; ++g)
                total += static_cast<float>(sums[static_cast<std::size_t>((g * tokens + t) * rows + r)]) *
                         c.scales[static_cast<std::size_t>(r * groups + g)];
            y.push_back(total);
        }
    return y;
}

void products(const Case& c, const Isa& isa, int tokens, const std::vector<std::int8_t>& x,
              const std::vector<std::int32_t>& sums, const std::vector<float>& y, Pool& pool) {
    const CodedMatrix matrix(c.codes(), isa, pool);
    const Activations rounded = Activations::exactly(x.data(), tokens, c.shape.cols);
    const std::string name = c.name(isa, tokens, pool.threads());
    std::vector<std::int32_t> found(sums.size(), 0x55555555);
    integer_sums(matrix, rounded, found.data(), pool);
    check(found == sums, name);
    std::vector<float> out(y.size(), -1.0f);
    linear(matrix, rounded, out.data(), pool);
    check(std::memcmp(out.data(), y.data(), y.size() * sizeof(float)) == 0, name + " scaled");
}

void rows_of(const Case& c, const Isa& isa, Pool& pool) {
    const CodedMatrix matrix(c.codes(), isa, pool);
    const auto [rows, cols, groups] = c.shape;
    std::vector<float> row(static_cast<std::size_t>(cols));
    for (int r = 0; r < rows; ++r) {
        matrix.row(r, row.data());
        bool same = true;
        for (int col = 0; col < cols; ++col)
            same &= row[static_cast<std::size_t>(col)] ==
                    static_cast<float>(c.level[static_cast<std::size_t>(r * cols + col)]) *
                        c.scales[static_cast<std::size_t>(r * groups + col / (cols / groups))];
        check(same, c.name(isa, 0, 0) + " row " + std::to_string(r));
    }
}

bool refused(const Codes& codes, const Isa& isa, Pool& pool) {
    try {
        const CodedMatrix matrix(codes, isa, pool);
    } catch (const std::invalid_argument&) {
        return true;
    }
    return false;
}

// Every value that a lane can have, somewhere: taken if an encoder writes it, refused if not.
void codes_of(const Isa& isa, std::mt19937& random, Pool& pool) {
    for (const Layout layout : {Layout::pentanary_7bit, Layout::ternary_5in8}) {
        if (isa.kernels(layout).repack == nullptr) continue;
        const Grid grid = grids[static_cast<std::size_t>(layout)];
        for (int value = 0; value < (layout == Layout::pentanary_7bit ? 128 : 256); ++value) {
            Case c(grid, {33, 130, 1}, Fill::random, random);
            const std::size_t lane = random() % (tiles_of(33) * static_cast<std::size_t>(geometry(layout).groups(130)) * lanes);
            bool valid = false;
            if (layout == Layout::pentanary_7bit) {
                for (std::size_t bit = 0; bit < 7; ++bit) {
                    auto& byte = c.bytes[(7 * lane + bit) / 8];
                    const unsigned mask = 1u << (7 * lane + bit) % 8;
                    byte = static_cast<std::uint8_t>(value >> bit & 1 ? byte | mask : byte & ~mask);
                }
                valid = value < 125;
            } else {
                c.bytes[lane] = static_cast<std::uint8_t>(value);
                for (int v = 0; v < 243; ++v) valid |= value == (256 * v + 242) / 243;
            }
            check(refused(c.codes(), isa, pool) != valid, c.name(isa, 0, 0) + " code " + std::to_string(value));
        }
    }
}

void refusals(const Isa& isa, Pool& pool) {
    std::mt19937 random(1);
    codes_of(isa, random, pool);
    const Case c(grids[0], {16, 40, 1}, Fill::random, random);
    Codes codes = c.codes();
    codes.rows = 17;
    check(refused(codes, isa, pool), "another size");
    codes = c.codes();
    codes.scale_groups = 3;
    check(refused(codes, isa, pool), "scale groups");
    codes = c.codes();
    codes.cols = 0;
    check(refused(codes, isa, pool), "no columns");
    check(!refused(c.codes(), isa, pool), "nothing wrong");
}

std::vector<std::int32_t> sums_of(const Codes& codes, const Isa& isa, const Activations& x, Pool& pool) {
    std::vector<std::int32_t> sums(static_cast<std::size_t>(x.tokens() * codes.rows * codes.scale_groups));
    integer_sums(CodedMatrix(codes, isa, pool), x, sums.data(), pool);
    return sums;
}

// Bytes that no encoder writes, where they are read in place: every set takes them for the same digits.
void any_bytes(std::mt19937& random, Pool& pool) {
    const Isa& oracle = find_isa("scalar");
    for (const Grid& grid : grids) {
        Case c(grid, {33, 1536, 1}, Fill::random, random);
        for (auto& byte : c.bytes) byte = static_cast<std::uint8_t>(random());
        for (int tokens = 1; tokens <= 9; ++tokens) {
            const auto values = activations(Fill::random, tokens * c.shape.cols, random);
            const Activations x = Activations::exactly(values.data(), tokens, c.shape.cols);
            const auto right = sums_of(c.codes(), oracle, x, pool);
            for (const Isa* isa : supported_isas())
                if (isa->kernels(grid.layout).repack == nullptr)
                    check(sums_of(c.codes(), *isa, x, pool) == right, c.name(*isa, tokens, 3) + " any bytes");
        }
    }
}

// The largest sums that there are.
void longest_rows(std::mt19937& random, Pool& pool) {
    for (const Grid& grid : grids) {
        const Case c(grid, {2, max_cols, 1}, Fill::largest, random);
        for (const int tokens : {1, 4, 9}) {
            const std::vector<std::int8_t> values(static_cast<std::size_t>(tokens * max_cols), tokens == 4 ? -127 : 127);
            const Activations x = Activations::exactly(values.data(), tokens, max_cols);
            const auto right = expected(c, values, tokens);
            for (const Isa* isa : supported_isas())
                check(sums_of(c.codes(), *isa, x, pool) == right, c.name(*isa, tokens, 3));
        }
    }
}

}  // namespace

void kernels(int every) {
    std::mt19937 random(0);
    Pool one(1), three(3);
    int number = 0;
    for (const Grid& grid : grids)
        for (const Shape& shape : shapes) {
            if (is_sparse(grid) && shape.cols % 4 != 0) continue;
            for (const Fill fill : {Fill::random, Fill::largest, Fill::alternating}) {
                const Case c(grid, shape, fill, random);
                for (const int tokens : {1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 26}) {
                    if (number++ % every != 0) continue;
                    const auto x = activations(fill, tokens * shape.cols, random);
                    const auto sums = expected(c, x, tokens);
                    const auto y = scaled(c, sums, tokens);
                    for (const Isa* isa : supported_isas())
                        for (Pool* pool : {&one, &three}) products(c, *isa, tokens, x, sums, y, *pool);
                }
                for (const Isa* isa : supported_isas()) rows_of(c, *isa, three);
            }
        }
    for (const Isa* isa : supported_isas()) refusals(*isa, three);
    any_bytes(random, three);
    if (every == 1) longest_rows(random, three);
}

}  // namespace pentanet::test
