#include "pentanet/model.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

namespace pentanet {
namespace {

constexpr int most_planes = 3;

void require(bool holds, const std::string& what) {
    if (!holds) throw std::invalid_argument(what + " does not fit the network");
}

void shape(const MatrixRef& matrix, int wanted_rows, int wanted_cols, const std::string& what) {
    require(matrix && rows(*matrix) == wanted_rows && cols(*matrix) == wanted_cols, what);
}

// The same, or planes side by side.
void planes(const MatrixRef& matrix, int wanted_rows, int wanted_cols, const std::string& what) {
    const int found = matrix ? cols(*matrix) / wanted_cols : 0;
    require(found >= 1 && found <= most_planes, what);
    require(found == 1 || std::holds_alternative<CodedMatrix>(*matrix), what);
    shape(matrix, wanted_rows, found * wanted_cols, what);
}

void table(const std::vector<float>& values, int size, const std::string& what, bool optional = false) {
    require((optional && values.empty()) || values.size() == static_cast<std::size_t>(size), what);
}

void gain(const Gain& values, int size, const std::string& what, bool optional = false) {
    if (optional && values.empty()) return require(values.shifts.empty(), what);
    table(values.factors, size, what);
    table(values.shifts, size, what + " bias", true);
}

// Over each head, or over all of them.
void heads_gain(const Gain& values, int head, int all, const std::string& what) {
    gain(values, values.size() == static_cast<std::size_t>(all) ? all : head, what, true);
}

void check_rotary(const Rotary& rotary, const Model& model, const std::string& name) {
    require(rotary.half > 0 && rotary.half <= model.head_width / 2, name + "more than a head turns");
    table(rotary.cosines, model.context * rotary.half, name + "cosines");
    table(rotary.sines, model.context * rotary.half, name + "sines");
}

void factor(float value, const std::string& what, bool optional = false) {
    require(std::isfinite(value) && (value > 0 || (optional && value == 0)), what);
}

void check_layer(const Layer& layer, const Model& model, const std::string& name) {
    const int width = model.width, queries = model.query_width(), kv = model.kv_width();
    gain(layer.attention_norm, width, name + "attention norm", true);
    heads_gain(layer.query_norm, model.head_width, queries, name + "query norm");
    heads_gain(layer.key_norm, model.head_width, kv, name + "key norm");
    gain(layer.attention_sub_norm, queries, name + "attention sub-norm", true);
    gain(layer.attention_post_norm, width, name + "attention post-norm", true);
    gain(layer.mlp_norm, width, name + "MLP norm", true);
    gain(layer.mlp_post_norm, width, name + "MLP post-norm", true);
    require(layer.window >= 0, name + "window");
    require(layer.rotary >= -1 && layer.rotary < static_cast<int>(model.rotaries.size()), name + "rotary positions");
    require(layer.qkv.size() == 1 || layer.qkv.size() == 3, name + "attention");
    if (layer.qkv.size() == 1) {
        planes(layer.qkv[0], queries + 2 * kv, width, name + "attention");
    } else {
        planes(layer.qkv[0], queries, width, name + "queries");
        planes(layer.qkv[1], kv, width, name + "keys");
        planes(layer.qkv[2], kv, width, name + "values");
    }
    planes(layer.attention_out, width, queries, name + "attention output");
    require((layer.up.size() == 1 || layer.up.size() == 2) && layer.up[0], name + "MLP");
    require(model.gated || layer.up.size() == 1, name + "MLP");
    const int outputs = rows(*layer.up[0]), both = model.gated && layer.up.size() == 1 ? 2 : 1, hidden = outputs / both;
    require(outputs % both == 0, name + "MLP input");
    for (const auto& up : layer.up) planes(up, outputs, width, name + "MLP input");
    planes(layer.down, width, hidden, name + "MLP output");
    gain(layer.mlp_sub_norm, hidden, name + "MLP sub-norm", true);
}

}  // namespace

int rows(const Matrix& matrix) {
    return std::visit([](const auto& m) { return m.rows(); }, matrix);
}

int cols(const Matrix& matrix) {
    return std::visit([](const auto& m) { return m.cols(); }, matrix);
}

std::size_t nbytes(const Matrix& matrix) {
    return std::visit([](const auto& m) { return m.nbytes(); }, matrix);
}

void copy_row(const Matrix& matrix, int index, float* out) {
    std::visit([&](const auto& m) { m.row(index, out); }, matrix);
}

int Model::vocab() const { return rows(*embedding); }

int Model::hidden() const {
    int widest = 0;
    for (const Layer& layer : layers) widest = std::max(widest, rows(*layer.up[0]));
    return widest;
}

std::size_t Model::bytes_per_token() const {
    std::size_t total = nbytes(*head);
    for (const Layer& layer : layers) {
        for (const auto& matrix : layer.qkv) total += nbytes(*matrix);
        for (const auto& matrix : layer.up) total += nbytes(*matrix);
        total += nbytes(*layer.attention_out) + nbytes(*layer.down);
    }
    return total;
}

void Model::check() const {
    require(width > 0 && heads > 0 && kv_heads > 0 && head_width > 0 && context > 0, "a size below 1");
    require(heads % kv_heads == 0, "the number of heads");
    require(embedding != nullptr, "no embedding");
    shape(embedding, vocab(), width, "embedding");
    shape(head, vocab(), width, "head");
    gain(final_norm, width, "final norm");
    table(positions, context * width, "positions", true);
    for (std::size_t i = 0; i < rotaries.size(); ++i)
        check_rotary(rotaries[i], *this, "rotary positions " + std::to_string(i) + ": ");
    factor(embedding_scale, "the scale of embeddings");
    factor(residual_scale, "the scale of the residual stream");
    factor(score_scale, "the scale of scores", true);
    factor(logit_scale, "the scale of logits");
    factor(score_cap, "the cap of scores", true);
    factor(logit_cap, "the cap of logits", true);
    require(!layers.empty(), "a network without layers");
    for (std::size_t i = 0; i < layers.size(); ++i) check_layer(layers[i], *this, "layer " + std::to_string(i) + ": ");
}

}  // namespace pentanet
