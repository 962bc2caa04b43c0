// Every layout x grid x shape x tokens x threads x instruction set, against sums over the levels: equality, no
// tolerance.

#include <algorithm>
#include <cstring>
#include <random>

#include "cases.h"
#include "check.h"
#include "pentanet/linear.h"

namespace pentanet::test {
namespace {

// Shapes about the edges of tiles and groups, and rows that are long enough for 16-bit sums to overflow many times.
constexpr Shape shapes[] = {{1, 1, 1},    {16, 12, 1},  {17, 35, 5},   {5, 20, 4},     {33, 64, 2},
                            {48, 97, 1},  {16, 128, 8}, {31, 2050, 1}, {40, 1536, 12}, {86, 400, 1},
                            {19, 260, 2}, {18, 288, 3}, {33, 1152, 1}};

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
                    sum +=
                        c.level[static_cast<std::size_t>(r * cols + col)] * x[static_cast<std::size_t>(t * cols + col)];
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
    const auto memory = pool.threads() == 1 ? nullptr : std::make_shared<Arena>(1);
    const CodedMatrix matrix(c.codes(), isa, pool, memory);
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

// The sets without multiplication have it in no layout.
void all_looked_up(const Isa& isa) {
    for (const Stored& kind : stored) {
        const Kernels kernels = isa.kernels(kind.layout, max_cols, 1);
        const bool products = kernels.dot != nullptr || kernels.unpack != nullptr;
        check(isa.by_name_only != products && products == (kernels.unpack != nullptr) &&
                  (kernels.dot == nullptr) == (kernels.lookups != nullptr) &&
                  isa.by_name_only == isa.name.starts_with("shift-add"),
              std::string(isa.name) + " " + std::string(geometry(kind.layout).name) + " is looked up, or is not");
    }
}

std::vector<std::int32_t> sums_of(const Codes& codes, const Isa& isa, const Activations& x, Pool& pool) {
    std::vector<std::int32_t> sums(static_cast<std::size_t>(x.tokens() * codes.rows * codes.scale_groups));
    integer_sums(CodedMatrix(codes, isa, pool), x, sums.data(), pool);
    return sums;
}

// The largest sums that there are.
void longest_rows(std::mt19937& random, Pool& pool) {
    for (const Stored& kind : stored) {
        const Case c(kind, {2, max_cols, 1}, Fill::largest, random);
        for (const int tokens : {1, 4, 9}) {
            const std::vector<std::int8_t> values(static_cast<std::size_t>(tokens * max_cols),
                                                  tokens == 4 ? -127 : 127);
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
    for (const Stored& kind : stored)
        for (const Shape& shape : shapes) {
            if (is_sparse(kind.layout) && shape.cols % 4 != 0) continue;
            for (const Fill fill : {Fill::random, Fill::largest, Fill::alternating}) {
                const Case c(kind, shape, fill, random);
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
    for (const Isa* isa : supported_isas()) all_looked_up(*isa);
    if (every == 1) longest_rows(random, three);
}

}  // namespace pentanet::test
