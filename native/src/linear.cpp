#include "pentanet/linear.h"

#include <algorithm>
#include <cstring>
#include <numeric>

namespace pentanet {
namespace {

constexpr int longest_group = 4 * 8;

// What one slice multiplies by: its activations in groups of the layout, zero outside of the slice, and their sums.
struct Operand {
    Tokens tokens;
    std::vector<std::int32_t> totals;
};

class Operands {
public:
    Operands(const CodedMatrix& matrix, const Activations& x) {
        const int inputs = geometry(matrix.layout()).inputs();
        for (const Slice& slice : matrix.slices()) {
            Tokens tokens{x.token(0), x.stride(), x.tokens()};
            if (matrix.slices().size() > 1) tokens = cut(slice, x, inputs);
            std::vector<std::int32_t> totals(static_cast<std::size_t>(x.tokens()));
            for (int t = 0; t < x.tokens(); ++t) {
                const std::int8_t* values = x.token(t);
                totals[static_cast<std::size_t>(t)] = std::accumulate(values + slice.begin, values + slice.end, 0);
            }
            operands_.push_back({tokens, std::move(totals)});
        }
    }

    const Operand& operator[](std::size_t slice) const { return operands_[slice]; }

private:
    Tokens cut(const Slice& slice, const Activations& x, int inputs) {
        const std::ptrdiff_t stride = std::ptrdiff_t{slice.groups} * inputs;
        auto& copy = copies_.emplace_back(static_cast<std::size_t>(stride * x.tokens()));
        for (int t = 0; t < x.tokens(); ++t)
            std::memcpy(copy.data() + t * stride + (slice.begin - slice.first_group * inputs), x.token(t) + slice.begin,
                        static_cast<std::size_t>(slice.end - slice.begin));
        return {copy.data(), stride, x.tokens()};
    }

    std::vector<Operand> operands_;
    std::vector<std::vector<std::int8_t>> copies_;
};

// Computes a tile's integer sums, slice after slice.
class TileSums {
public:
    TileSums(const CodedMatrix& matrix, const Operands& operands, int tokens)
        : matrix_(matrix), operands_(operands), shape_(geometry(matrix.layout())), fused_(tokens <= fused_tokens),
          sums_(static_cast<std::size_t>(tokens) * tile_rows) {
        if (!fused_)
            panel_.resize(static_cast<std::size_t>(shape_.groups(matrix.cols())) * static_cast<std::size_t>(shape_.digits) *
                          lanes);
    }

    void start(std::size_t tile) {
        tile_ = matrix_.tile(tile);
        if (!fused_) matrix_.kernels().unpack(tile_, shape_.groups(matrix_.cols()), panel_.data());
    }

    // Sums of level * activation, [tokens, 16].
    const std::vector<std::int32_t>& slice(std::size_t index) {
        const Slice& slice = matrix_.slices()[index];
        const Operand& operand = operands_[index];
        if (fused_)
            matrix_.kernels().dot(tile_ + std::ptrdiff_t{slice.first_group} * shape_.group_bytes, slice.groups,
                                  operand.tokens, sums_.data());
        else
            matrix_.isa().panel_dot(panel_.data() + std::ptrdiff_t{slice.first_group} * shape_.digits * lanes,
                                    slice.groups * shape_.digits, shape_.largest, operand.tokens, sums_.data());
        const auto [lowest, spacing] = matrix_.levels();
        for (std::size_t t = 0; t < operand.totals.size(); ++t) {
            const std::int32_t base = lowest * operand.totals[t];
            for (std::size_t r = 0; r < tile_rows; ++r) {
                std::int32_t& sum = sums_[t * tile_rows + r];
                sum = spacing * sum + base;
            }
        }
        return sums_;
    }

private:
    const CodedMatrix& matrix_;
    const Operands& operands_;
    Geometry shape_;
    bool fused_;
    const std::uint8_t* tile_ = nullptr;
    std::vector<std::uint8_t> panel_;
    std::vector<std::int32_t> sums_;
};

std::size_t rows_of_tile(const CodedMatrix& matrix, std::size_t tile) {
    return std::min<std::size_t>(tile_rows, static_cast<std::size_t>(matrix.rows()) - tile * tile_rows);
}

// out[t * stride + r] = scale of the token * total [t, r]
void scale_tokens(const Activations& x, const std::vector<float>& total, std::size_t rows, std::size_t stride, float* out) {
    for (std::size_t t = 0; t < static_cast<std::size_t>(x.tokens()); ++t)
        for (std::size_t r = 0; r < rows; ++r)
            out[t * stride + r] = total[t * tile_rows + r] * x.scale(static_cast<int>(t));
}

}  // namespace

Activations::Activations(int tokens, int cols)
    : tokens_(tokens), cols_(cols), stride_((cols + 2 * longest_group - 2) / longest_group * longest_group),
      values_(static_cast<std::size_t>(tokens * stride_)), scales_(static_cast<std::size_t>(tokens), 1.0f) {}

Activations Activations::quantize(const float* x, int tokens, int cols, const Isa& isa, Pool& pool) {
    Activations result(tokens, cols);
    const auto round = [&](std::size_t begin, std::size_t end) {
        for (std::size_t t = begin; t < end; ++t)
            result.scales_[t] = isa.ops.quantize(x + t * static_cast<std::size_t>(cols),
                                                 result.values_.data() + static_cast<std::ptrdiff_t>(t) * result.stride_, cols);
    };
    pool.run(static_cast<std::size_t>(tokens), round);
    return result;
}

Activations Activations::exactly(const std::int8_t* x, int tokens, int cols) {
    Activations result(tokens, cols);
    for (int t = 0; t < tokens; ++t)
        std::memcpy(result.values_.data() + t * result.stride_, x + std::ptrdiff_t{t} * cols, static_cast<std::size_t>(cols));
    return result;
}

void linear(const CodedMatrix& matrix, const Activations& x, float* y, Pool& pool) {
    const Operands operands(matrix, x);
    const auto tokens = static_cast<std::size_t>(x.tokens()), all_rows = static_cast<std::size_t>(matrix.rows());
    pool.run(matrix.tiles(), [&](std::size_t begin, std::size_t end) {
        TileSums sums(matrix, operands, x.tokens());
        std::vector<float> total(tokens * tile_rows);
        for (std::size_t tile = begin; tile < end; ++tile) {
            const std::size_t rows = rows_of_tile(matrix, tile), top = tile * tile_rows;
            sums.start(tile);
            std::fill(total.begin(), total.end(), 0.0f);
            for (std::size_t slice = 0; slice < matrix.slices().size(); ++slice) {
                const auto& sum = sums.slice(slice);
                float scale[tile_rows] = {};
                for (std::size_t r = 0; r < rows; ++r) scale[r] = matrix.scales()[(top + r) * matrix.scale_stride() + slice];
                for (std::size_t t = 0; t < tokens; ++t)
                    for (std::size_t r = 0; r < tile_rows; ++r)
                        total[t * tile_rows + r] += static_cast<float>(sum[t * tile_rows + r]) * scale[r];
            }
            scale_tokens(x, total, rows, all_rows, y + top);
        }
    });
}

void integer_sums(const CodedMatrix& matrix, const Activations& x, std::int32_t* out, Pool& pool) {
    const Operands operands(matrix, x);
    const auto tokens = static_cast<std::size_t>(x.tokens()), all_rows = static_cast<std::size_t>(matrix.rows());
    pool.run(matrix.tiles(), [&](std::size_t begin, std::size_t end) {
        TileSums sums(matrix, operands, x.tokens());
        for (std::size_t tile = begin; tile < end; ++tile) {
            sums.start(tile);
            for (std::size_t slice = 0; slice < matrix.slices().size(); ++slice) {
                const auto& sum = sums.slice(slice);
                for (std::size_t t = 0; t < tokens; ++t)
                    std::copy_n(sum.data() + t * tile_rows, rows_of_tile(matrix, tile),
                                out + (slice * tokens + t) * all_rows + tile * tile_rows);
            }
        }
    });
}

void linear(const PlainMatrix& matrix, const float* x, int tokens, float* y, Pool& pool) {
    pool.run(static_cast<std::size_t>(matrix.rows()), [&](std::size_t begin, std::size_t end) {
        for (int t = 0; t < tokens; ++t)
            for (std::size_t row = begin; row < end; ++row)
                y[static_cast<std::size_t>(t) * static_cast<std::size_t>(matrix.rows()) + row] =
                    matrix.dot(static_cast<int>(row), x + std::ptrdiff_t{t} * matrix.cols());
    });
}

}  // namespace pentanet
