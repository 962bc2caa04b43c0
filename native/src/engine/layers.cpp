#include "engine/layers.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <stdexcept>
#include <string>

namespace pentanet {
namespace {

void rms_norm(const Model& model, const Gain& gain, const float* x, float* out) {
    const auto size = static_cast<std::ptrdiff_t>(gain.size());
    const float mean_square = model.isa->ops.dot(x, x, size) / static_cast<float>(size);
    const float factor = 1.0f / std::sqrt(mean_square + model.norm_eps);
    for (std::size_t i = 0; i < gain.size(); ++i) out[i] = x[i] * factor * gain.factors[i];
}

void layer_norm(const Model& model, const Gain& gain, const float* x, float* out) {
    const auto size = static_cast<std::ptrdiff_t>(gain.size());
    const float mean = model.isa->ops.total(x, size) / static_cast<float>(size);
    for (std::size_t i = 0; i < gain.size(); ++i) out[i] = x[i] - mean;
    const float variance = model.isa->ops.dot(out, out, size) / static_cast<float>(size);
    const float factor = 1.0f / std::sqrt(variance + model.norm_eps);
    for (std::size_t i = 0; i < gain.size(); ++i) out[i] = out[i] * factor * gain.factors[i];
}

}  // namespace

void require_finite(const float* x, std::size_t size, const char* what) {
    std::uint32_t carried = 0;  // the exponent of NaN and infinity is all ones: one more carries into the sign
    for (std::size_t i = 0; i < size; ++i) carried |= (std::bit_cast<std::uint32_t>(x[i]) & 0x7fffffff) + 0x00800000;
    if (carried >> 31 != 0) throw std::overflow_error(std::string(what) + " are NaN or infinite");
}

void normalize(const Model& model, const Gain& gain, const float* x, float* out) {
    if (model.norm == NormKind::rms)
        rms_norm(model, gain, x, out);
    else
        layer_norm(model, gain, x, out);
    for (std::size_t i = 0; i < gain.shifts.size(); ++i) out[i] += gain.shifts[i];
}

void norm_heads(const Model& model, const Gain& gain, float* x, int size) {
    if (gain.empty()) return;
    const int each = static_cast<int>(gain.size());
    for (int done = 0; done < size; done += each, x += each) normalize(model, gain, x, x);
}

void rotate(const Model& model, const Layer& layer, int position, float* x, int heads) {
    if (layer.rotary < 0) return;
    const Rotary& rotary = model.rotaries[static_cast<std::size_t>(layer.rotary)];
    const std::ptrdiff_t half = rotary.half;
    const float* cosine = rotary.cosines.data() + position * half;
    const float* sine = rotary.sines.data() + position * half;
    for (int h = 0; h < heads; ++h, x += model.head_width)
        for (std::ptrdiff_t i = 0; i < half; ++i) {
            const float a = x[i], b = x[i + half];
            x[i] = a * cosine[i] - b * sine[i];
            x[i + half] = b * cosine[i] + a * sine[i];
        }
}

void activate(const Model& model, float* x, const float* by, int size) {
    const FloatOps& ops = model.isa->ops;
    switch (model.activation) {
        case Activation::silu: return ops.silu(x, by, size);
        case Activation::relu2: return ops.relu2(x, by, size);
        case Activation::gelu: return ops.gelu(x, by, size);
        case Activation::gelu_tanh: return ops.gelu_tanh(x, by, size);
    }
}

std::vector<float> repeated(const float* x, int rows, int cols, int copies) {
    std::vector<float> out(static_cast<std::size_t>(rows) * static_cast<std::size_t>(cols) *
                           static_cast<std::size_t>(copies));
    float* to = out.data();
    for (int row = 0; row < rows; ++row, x += cols)
        for (int i = 0; i < copies; ++i, to += cols) std::copy_n(x, cols, to);
    return out;
}

void take_columns(const float* x, int rows, int all, int first, int width, float* out) {
    for (std::ptrdiff_t row = 0; row < rows; ++row, out += width) std::copy_n(x + row * all + first, width, out);
}

void scale_and_cap(const Model& model, float scale, float cap, float* x, std::size_t size) {
    if (scale != 1)
        for (std::size_t i = 0; i < size; ++i) x[i] *= scale;
    if (cap > 0) model.isa->ops.cap(x, cap, static_cast<std::ptrdiff_t>(size));
}

}  // namespace pentanet
