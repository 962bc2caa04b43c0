// The parts of a network between its matrices, one token at a time.
#pragma once

#include <array>

#include "pentanet/model.h"

namespace pentanet {

// Throws std::overflow_error, naming the numbers, where one of them is NaN or infinite.
void require_finite(const float* x, std::size_t size, const char* what);

// out = norm of x, over gain.size() numbers.
void normalize(const Model& model, const Gain& gain, const float* x, float* out);

// The norm over each of several heads, in place. Does nothing without a gain.
void norm_heads(const Model& model, const Gain& gain, float* x, int heads);

// Rotates each pair (i, i + half) of every head by its position's angle: Hugging Face's half-split order.
// Does nothing where the model has no rotary positions.
void rotate(const Model& model, int position, float* x, int heads);

// x = f(x) * by, with the model's activation function; f(x) alone where `by` is null.
void activate(const Model& model, float* x, const float* by, int size);

// Rows of `cols` numbers, each `copies` times side by side: what a sum of planes multiplies by.
std::vector<float> repeated(const float* x, int rows, int cols, int copies);

// Cuts rows of a + b + c numbers into three matrices, one behind the other.
void split_columns(const float* x, int rows, std::array<int, 3> widths, float* out);

}  // namespace pentanet
