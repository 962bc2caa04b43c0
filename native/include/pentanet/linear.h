// y = W x, with activations rounded to int8 and sums in exact int32.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "pentanet/isa.h"
#include "pentanet/matrix.h"
#include "pentanet/pool.h"
#include "pentanet/scratch.h"

namespace pentanet {

// How activations become integers. One input much larger than the others leaves few of the 127 levels to those; a
// second int8 for what the first one missed, with a scale of its own, gives them back. The products see it as one more
// token.
enum class Rounding : std::uint8_t {
    int8,      // once
    int8x2,    // twice: x = scale * value + second scale * second value
    adaptive,  // twice where the mean magnitude of the values is below `coarse`
};

// Rounding moves each value by 1/4 in the mean: here by 2 % of its size. Magnitudes are summed and not squares, of
// which a single large input would be most.
inline constexpr std::int64_t coarse = 12;

// Activations [tokens, cols] as int8 with one scale per token: scale = max |x| / 127, value = x / scale rounded to the
// nearest integer, ties to even. Tokens that are rounded twice have a second row, [tokens + seconds, cols].
class Activations {
public:
    // Rounds float32 [tokens, cols]. Throws std::overflow_error where one of them is NaN or infinite.
    static Activations quantize(const float* x, int tokens, int cols, Rounding rounding, const Isa& isa, Pool& pool);
    // Takes int8 [tokens, cols] as they are, with scales of 1.
    static Activations exactly(const std::int8_t* x, int tokens, int cols);

    int tokens() const { return tokens_; }
    int rows() const { return tokens_ + static_cast<int>(twice_.size()); }
    int cols() const { return cols_; }
    std::ptrdiff_t stride() const { return stride_; }
    const std::int8_t* row(int index) const { return values_.data() + index * stride_; }
    float scale(int row) const { return scales_[static_cast<std::size_t>(row)]; }
    const float* scales() const { return scales_.data(); }
    // The token whose row, or second row, this is.
    int token(int row) const { return row < tokens_ ? row : twice_[static_cast<std::size_t>(row - tokens_)]; }

private:
    Activations(int tokens, int most_rows, int cols);
    void round(int row, const float* x, const Isa& isa);
    void round_rest(int row, const float* x, const Isa& isa);

    int tokens_, cols_;
    std::ptrdiff_t stride_;  // zeros behind each row, up to the end of the last group of any layout
    Scratch<std::int8_t> values_;
    std::vector<float> scales_;
    std::vector<int> twice_;  // tokens with a second row
};

// y[t, r] = x_scale[t] * sum_s(slice_scale[s] * acc[s, t, r]), summed in slice order; then + bias[r]; then, for tokens
// rounded twice (int8x2), the same expression for their residual row.
//
// The result does not depend on the instruction set, the threads or the other tokens.
void linear(const CodedMatrix& matrix, const Activations& x, float* y, Pool& pool);

// The integers behind it: sums of level * activation, [slices, tokens, rows].
void integer_sums(const CodedMatrix& matrix, const Activations& x, std::int32_t* sums, Pool& pool);

// The same product in float32, for plain matrices: x [tokens, cols].
void linear(const PlainMatrix& matrix, const float* x, int tokens, float* y, Pool& pool);

}  // namespace pentanet
