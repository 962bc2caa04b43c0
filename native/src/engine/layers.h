// The parts of a network between its matrices, one token at a time.
#pragma once

#include "pentanet/model.h"

namespace pentanet {

// Throws std::overflow_error, naming the numbers, where one of them is NaN or infinite.
void require_finite(const float* x, std::size_t size, const char* what);

// out = norm of x, over gain.size() numbers.
void normalize(const Model& model, const Gain& gain, const float* x, float* out);

// The norm over `size` numbers in place, as many at a time as the gain has: of each head, or of all. Does nothing
// without a gain.
void norm_heads(const Model& model, const Gain& gain, float* x, int size);

// Rotates each pair (i, i + half) of every head by its position's angle: Hugging Face's half-split order.
// Does nothing where the layer has no rotary positions.
void rotate(const Model& model, const Layer& layer, int position, float* x, int heads);

// x = f(x) * by, with the model's activation function; f(x) alone where `by` is null.
void activate(const Model& model, float* x, const float* by, int size);

// Rows of `cols` numbers, each `copies` times side by side: what a sum of planes multiplies by.
std::vector<float> repeated(const float* x, int rows, int cols, int copies);

// Takes columns first .. first + width - 1 of rows of `all` numbers.
void take_columns(const float* x, int rows, int all, int first, int width, float* out);

// x * scale, and then towards the cap, where there is one.
void scale_and_cap(const Model& model, float scale, float cap, float* x, std::size_t size);

}  // namespace pentanet
