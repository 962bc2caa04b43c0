#include <cmath>
#include <cstring>
#include <stdexcept>

#include "pentanet/linear.h"

namespace pentanet {

Activations::Activations(int tokens, int most_rows, int cols)
    : tokens_(tokens), cols_(cols), stride_(padded_inputs(cols)),
      values_(static_cast<std::size_t>(most_rows * stride_)), scales_(static_cast<std::size_t>(most_rows), 1.0f) {
    for (int row = 0; row < most_rows; ++row)
        std::memset(values_.data() + row * stride_ + cols, 0, static_cast<std::size_t>(stride_ - cols));
}

void Activations::round(int row, const float* x, const Isa& isa) {
    scales_[static_cast<std::size_t>(row)] = isa.ops.quantize(x, values_.data() + row * stride_, cols_);
}

void Activations::round_rest(int row, const float* x, const Isa& isa) {
    Scratch<float> rest(static_cast<std::size_t>(cols_));
    isa.ops.rest(x, this->row(token(row)), scale(token(row)), rest.data(), cols_);
    round(row, rest.data(), isa);
}

Activations Activations::quantize(const float* x, int tokens, int cols, Rounding rounding, const Isa& isa, Pool& pool) {
    Activations result(tokens, rounding == Rounding::int8 ? tokens : 2 * tokens, cols);
    const auto values = [&](int token) { return x + std::ptrdiff_t{token} * cols; };
    pool.run(static_cast<std::size_t>(tokens), [&](std::size_t begin, std::size_t end) {
        for (int token = static_cast<int>(begin); token < static_cast<int>(end); ++token)
            result.round(token, values(token), isa);
    });
    for (int token = 0; token < tokens; ++token)
        if (std::isnan(result.scale(token))) throw std::overflow_error("an input of a matrix is NaN or infinite");
    if (rounding == Rounding::int8) return result;
    for (int token = 0; token < tokens; ++token)
        if (rounding == Rounding::int8x2 || isa.ops.sum_of_sizes(result.row(token), cols) < coarse * cols)
            result.twice_.push_back(token);
    pool.run(result.twice_.size(), [&](std::size_t begin, std::size_t end) {
        for (int i = static_cast<int>(begin); i < static_cast<int>(end); ++i)
            result.round_rest(tokens + i, values(result.token(tokens + i)), isa);
    });
    return result;
}

Activations Activations::exactly(const std::int8_t* x, int tokens, int cols) {
    Activations result(tokens, tokens, cols);
    for (int t = 0; t < tokens; ++t)
        std::memcpy(result.values_.data() + t * result.stride_, x + std::ptrdiff_t{t} * cols,
                    static_cast<std::size_t>(cols));
    return result;
}

}  // namespace pentanet
