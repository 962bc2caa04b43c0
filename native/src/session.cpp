#include "pentanet/session.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <stdexcept>
#include <string>

#include "network.h"

namespace pentanet {
namespace {

constexpr int chunk_tokens = 128;  // bounds the memory of a long prompt; enough for the weights to be unpacked seldom

std::size_t product(int a, int b) { return static_cast<std::size_t>(a) * static_cast<std::size_t>(b); }

// Applies several matrices to the same x [tokens, cols], which is rounded once.
class Input {
public:
    Input(const std::vector<float>& x, int tokens, int cols, const Isa& isa, Pool& pool)
        : x_(x.data()), tokens_(tokens), cols_(cols), isa_(isa), pool_(pool) {}

    void apply(const Matrix& matrix, float* y) {
        if (const auto* coded = std::get_if<CodedMatrix>(&matrix)) {
            if (!rounded_) rounded_ = Activations::quantize(x_, tokens_, cols_, isa_, pool_);
            linear(*coded, *rounded_, y, pool_);
        } else {
            linear(std::get<PlainMatrix>(matrix), x_, tokens_, y, pool_);
        }
    }

private:
    const float* x_;
    int tokens_, cols_;
    const Isa& isa_;
    Pool& pool_;
    std::optional<Activations> rounded_;
};

}  // namespace

Session::Session(std::shared_ptr<const Model> model, int batch, int threads)
    : model_(std::move(model)), pool_(std::max(threads, 1)), batch_(batch) {
    if (batch < 1) throw std::invalid_argument("a batch has at least one sequence");
    const std::size_t size = product(batch, model_->context) * static_cast<std::size_t>(model_->kv_width());
    for (std::size_t i = 0; i < model_->layers.size(); ++i)  // not written: memory is taken as the sequences grow
        caches_.push_back({std::make_unique_for_overwrite<float[]>(size), std::make_unique_for_overwrite<float[]>(size)});
}

void Session::truncate(int length) {
    if (length < 0 || length > length_)
        throw std::invalid_argument("there are " + std::to_string(length_) + " tokens, not " + std::to_string(length));
    length_ = length;
}

void Session::forward(const std::int32_t* ids, int tokens, bool all, float* logits) {
    const int vocab = model_->vocab();
    if (tokens < 1 || tokens > model_->context - length_)
        throw std::invalid_argument(std::to_string(tokens) + " tokens after " + std::to_string(length_) +
                                    " do not fit a context of " + std::to_string(model_->context));
    for (std::size_t i = 0; i < product(batch_, tokens); ++i)
        if (ids[i] < 0 || ids[i] >= vocab)
            throw std::invalid_argument("token " + std::to_string(ids[i]) + " is not in a vocabulary of " +
                                        std::to_string(vocab));
    for (int done = 0; done < tokens; done += chunk_tokens) {
        const int now = std::min(chunk_tokens, tokens - done);
        const bool last = done + now == tokens;
        float* out = all ? logits + product(done, vocab) : last ? logits : nullptr;
        chunk(ids + done, tokens, now, all, out, static_cast<std::ptrdiff_t>(product(all ? tokens : 1, vocab)));
    }
}

void Session::chunk(const std::int32_t* ids, std::ptrdiff_t ids_stride, int tokens, bool all, float* logits,
                    std::ptrdiff_t logits_stride) {
    const Model& m = *model_;
    embed(ids, ids_stride, tokens);
    for (std::size_t i = 0; i < m.layers.size(); ++i) {
        attention(m.layers[i], caches_[i], tokens);
        mlp(m.layers[i], tokens);
    }
    length_ += tokens;
    if (logits == nullptr) return;
    const int wanted = all ? tokens : 1;
    if (!all)
        for (int b = 0; b < batch_; ++b)
            std::copy_n(x_.data() + product(b * tokens + tokens - 1, m.width), m.width, x_.data() + product(b, m.width));
    norm(m.final_norm, x_, m.width, batch_ * wanted, normed_);
    out_.resize(product(batch_ * wanted, m.vocab()));
    Input(normed_, batch_ * wanted, m.width, *m.isa, pool_).apply(*m.head, out_.data());
    for (int b = 0; b < batch_; ++b)
        std::copy_n(out_.data() + product(b * wanted, m.vocab()), product(wanted, m.vocab()), logits + b * logits_stride);
}

void Session::embed(const std::int32_t* ids, std::ptrdiff_t ids_stride, int tokens) {
    const Model& m = *model_;
    x_.resize(product(batch_ * tokens, m.width));
    for (int b = 0; b < batch_; ++b)
        for (int t = 0; t < tokens; ++t) {
            float* row = x_.data() + product(b * tokens + t, m.width);
            copy_row(*m.embedding, ids[b * ids_stride + t], row);
            if (m.positions.empty()) continue;
            const float* position = m.positions.data() + product(length_ + t, m.width);
            for (int i = 0; i < m.width; ++i) row[i] += position[i];
        }
}

void Session::norm(const Gain& gain, std::vector<float>& x, int size, int tokens, std::vector<float>& out) {
    out.resize(product(tokens, size));
    pool_.run(static_cast<std::size_t>(tokens), [&](std::size_t begin, std::size_t end) {
        for (std::size_t t = begin; t < end; ++t)
            normalize(*model_, gain, x.data() + t * static_cast<std::size_t>(size),
                      out.data() + t * static_cast<std::size_t>(size));
    });
}

void Session::attention(const Layer& layer, Cache& cache, int tokens) {
    const Model& m = *model_;
    const int rows = batch_ * tokens;
    norm(layer.attention_norm, x_, m.width, rows, normed_);
    const std::size_t queries = product(rows, m.query_width()), keys = product(rows, m.kv_width());
    qkv_.resize(queries + 2 * keys);
    Input input(normed_, rows, m.width, *m.isa, pool_);
    if (layer.qkv.size() == 3) {
        input.apply(*layer.qkv[0], qkv_.data());
        input.apply(*layer.qkv[1], qkv_.data() + queries);
        input.apply(*layer.qkv[2], qkv_.data() + queries + keys);
    } else {
        out_.resize(qkv_.size());
        input.apply(*layer.qkv[0], out_.data());
        split_columns(out_.data(), rows, {m.query_width(), m.kv_width(), m.kv_width()}, qkv_.data());
    }
    remember(layer, cache, tokens);
    attend(cache, tokens);
    const std::vector<float>* mixed = &mixed_;
    if (!layer.attention_sub_norm.empty()) {
        norm(layer.attention_sub_norm, mixed_, m.query_width(), rows, normed_);
        mixed = &normed_;
    }
    out_.resize(product(rows, m.width));
    Input(*mixed, rows, m.query_width(), *m.isa, pool_).apply(*layer.attention_out, out_.data());
    add_to_residual(tokens);
}

// Norms and rotates queries and keys, and puts keys and values into the cache.
void Session::remember(const Layer& layer, Cache& cache, int tokens) {
    const Model& m = *model_;
    const int head = m.head_width;
    const std::size_t items = product(batch_, tokens);
    float* keys = qkv_.data() + items * static_cast<std::size_t>(m.query_width());
    const float* values = keys + items * static_cast<std::size_t>(m.kv_width());
    pool_.run(items, [&](std::size_t begin, std::size_t end) {
        for (std::size_t item = begin; item < end; ++item) {
            const int b = static_cast<int>(item) / tokens, position = length_ + static_cast<int>(item) % tokens;
            float* query = qkv_.data() + item * static_cast<std::size_t>(m.query_width());
            norm_heads(m, layer.query_norm, query, m.heads);
            rotate(m, position, query, m.heads);
            float* key = keys + item * static_cast<std::size_t>(m.kv_width());
            norm_heads(m, layer.key_norm, key, m.kv_heads);
            rotate(m, position, key, m.kv_heads);
            for (int h = 0; h < m.kv_heads; ++h) {
                const std::size_t row = product(b * m.kv_heads + h, m.context) + static_cast<std::size_t>(position);
                std::copy_n(key + h * head, head, cache.keys.get() + row * static_cast<std::size_t>(head));
                std::copy_n(values + item * static_cast<std::size_t>(m.kv_width()) + h * head, head,
                            cache.values.get() + row * static_cast<std::size_t>(head));
            }
        }
    });
}

void Session::attend(const Cache& cache, int tokens) {
    const Model& m = *model_;
    const int head = m.head_width, share = m.heads / m.kv_heads;
    mixed_.resize(product(batch_ * tokens, m.query_width()));
    pool_.run(product(batch_ * tokens, m.heads), [&](std::size_t begin, std::size_t end) {
        std::vector<float> scores(static_cast<std::size_t>(length_ + tokens));
        for (std::size_t i = begin; i < end; ++i) {
            const int item = static_cast<int>(i) / m.heads, h = static_cast<int>(i) % m.heads;
            const int b = item / tokens, seen = length_ + item % tokens + 1;
            const std::size_t at = product(item, m.query_width()) + product(h, head);
            const int first = m.window > 0 ? std::max(seen - m.window, 0) : 0;
            const std::size_t start = (product(b * m.kv_heads + h / share, m.context) + static_cast<std::size_t>(first)) *
                                      static_cast<std::size_t>(head);
            attend_head(*m.isa, qkv_.data() + at, cache.keys.get() + start, cache.values.get() + start, seen - first,
                        head, scores.data(), mixed_.data() + at);
        }
    });
}

void Session::mlp(const Layer& layer, int tokens) {
    const Model& m = *model_;
    const int rows = batch_ * tokens, hidden = pentanet::rows(*layer.up[0]);
    norm(layer.mlp_norm, x_, m.width, rows, normed_);
    hidden_.resize(product(rows, hidden));
    other_.resize(layer.up.size() == 2 ? hidden_.size() : 0);
    Input input(normed_, rows, m.width, *m.isa, pool_);
    input.apply(*layer.up[0], hidden_.data());
    if (layer.up.size() == 2) input.apply(*layer.up[1], other_.data());
    pool_.run(static_cast<std::size_t>(rows), [&](std::size_t begin, std::size_t end) {
        for (std::size_t row = begin; row < end; ++row) {
            float* x = hidden_.data() + row * static_cast<std::size_t>(hidden);
            activate(m, x, hidden);
            if (other_.empty()) continue;
            const float* up = other_.data() + row * static_cast<std::size_t>(hidden);
            for (int i = 0; i < hidden; ++i) x[i] *= up[i];
        }
    });
    const std::vector<float>* inner = &hidden_;
    if (!layer.mlp_sub_norm.empty()) {
        norm(layer.mlp_sub_norm, hidden_, hidden, rows, other_);
        inner = &other_;
    }
    out_.resize(product(rows, m.width));
    Input(*inner, rows, hidden, *m.isa, pool_).apply(*layer.down, out_.data());
    add_to_residual(tokens);
}

void Session::add_to_residual(int tokens) {
    for (std::size_t i = 0; i < product(batch_ * tokens, model_->width); ++i) x_[i] += out_[i];
}

}  // namespace pentanet
