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

// Activations [tokens, cols] as int8 with one scale per token: scale = max |x| / 127, value = x / scale rounded to the
// nearest integer, ties to even.
class Activations {
public:
    // Rounds float32 [tokens, cols].
    static Activations quantize(const float* x, int tokens, int cols, const Isa& isa, Pool& pool);
    // Takes int8 [tokens, cols] as they are, with scales of 1.
    static Activations exactly(const std::int8_t* x, int tokens, int cols);

    int tokens() const { return tokens_; }
    int cols() const { return cols_; }
    std::ptrdiff_t stride() const { return stride_; }
    const std::int8_t* token(int index) const { return values_.data() + index * stride_; }
    float scale(int token) const { return scales_[static_cast<std::size_t>(token)]; }

private:
    Activations(int tokens, int cols);
    int tokens_, cols_;
    std::ptrdiff_t stride_;  // zeros behind each token, up to the end of the last group of any layout
    Scratch<std::int8_t> values_;
    std::vector<float> scales_;
};

// y[token * matrix.rows() + row] = scale of the token * sum over slices (scale of the slice * its integer sum), in this
// order; a bias is added last. The result does not depend on the instruction set, the threads or what other tokens there are.
void linear(const CodedMatrix& matrix, const Activations& x, float* y, Pool& pool);

// The integers behind it: sums of level * activation, [slices, tokens, rows].
void integer_sums(const CodedMatrix& matrix, const Activations& x, std::int32_t* sums, Pool& pool);

// The same product in float32, for plain matrices: x [tokens, cols].
void linear(const PlainMatrix& matrix, const float* x, int tokens, float* y, Pool& pool);

}  // namespace pentanet
