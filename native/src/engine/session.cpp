#include "pentanet/session.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <stdexcept>
#include <string>

#include "engine/layers.h"

namespace pentanet {
namespace {

// Bounds the memory of a long prompt; large enough that weights are rarely unpacked.
constexpr std::size_t chunk_tokens = 128;

std::size_t product(int a, int b) { return static_cast<std::size_t>(a) * static_cast<std::size_t>(b); }

// Applies several matrices to the same x [tokens, cols], which is rounded once.
class Input {
public:
    Input(const std::vector<float>& x, int tokens, int cols, Rounding rounding, const Isa& isa, Pool& pool)
        : x_(x.data()), tokens_(tokens), cols_(cols), rounding_(rounding), isa_(isa), pool_(pool) {}

    void apply(const Matrix& matrix, float* y) {
        if (const auto* coded = std::get_if<CodedMatrix>(&matrix)) {
            std::optional<Activations>& rounded = rounded_[static_cast<std::size_t>(coded->cols() / cols_ - 1)];
            if (!rounded) rounded = round(coded->cols() / cols_);
            linear(*coded, *rounded, y, pool_);
        } else {
            linear(std::get<PlainMatrix>(matrix), x_, tokens_, y, pool_);
        }
    }

private:
    Activations round(int planes) const {
        if (planes == 1) return Activations::quantize(x_, tokens_, cols_, rounding_, isa_, pool_);
        return Activations::quantize(repeated(x_, tokens_, cols_, planes).data(), tokens_, planes * cols_, rounding_,
                                     isa_, pool_);
    }

    const float* x_;
    int tokens_, cols_;
    Rounding rounding_;
    const Isa& isa_;
    Pool& pool_;
    std::array<std::optional<Activations>, 3> rounded_;  // by planes
};

}  // namespace

Session::Session(std::shared_ptr<const Model> model, int sequences, int threads, CacheType cache, Rounding rounding,
                 bool pin)
    : model_(std::move(model)), pool_(std::max(threads, 1), pin),
      lengths_(static_cast<std::size_t>(std::max(sequences, 0))),
      cache_(cache, static_cast<int>(model_->layers.size()), this->sequences(), model_->kv_heads, model_->head_width,
             model_->context),
      rounding_(rounding) {
    if (sequences < 1) throw std::invalid_argument("a session has room for at least one sequence");
}

int Session::length(int sequence) const {
    if (sequence < 0 || sequence >= sequences())
        throw std::invalid_argument("sequence " + std::to_string(sequence) + " of " + std::to_string(sequences()));
    return lengths_[static_cast<std::size_t>(sequence)];
}

void Session::truncate(int sequence, int length) {
    const int now = this->length(sequence);
    if (length < 0 || length > now)
        throw std::invalid_argument("there are " + std::to_string(now) + " tokens, not " + std::to_string(length));
    lengths_[static_cast<std::size_t>(sequence)] = length;
}

void Session::check(std::span<const Part> parts) const {
    std::vector<bool> met(lengths_.size());
    for (const Part& part : parts) {
        const int before = length(part.sequence);
        if (met[static_cast<std::size_t>(part.sequence)])
            throw std::invalid_argument("sequence " + std::to_string(part.sequence) + " twice");
        met[static_cast<std::size_t>(part.sequence)] = true;
        if (part.ids.empty() || part.ids.size() > static_cast<std::size_t>(model_->context - before))
            throw std::invalid_argument(std::to_string(part.ids.size()) + " tokens after " + std::to_string(before) +
                                        " do not fit a context of " + std::to_string(model_->context));
        for (const std::int32_t id : part.ids)
            if (id < 0 || id >= model_->vocab())
                throw std::invalid_argument("token " + std::to_string(id) + " is not in a vocabulary of " +
                                            std::to_string(model_->vocab()));
    }
}

void Session::forward(std::span<const Part> parts, bool all, float* logits) {
    check(parts);
    std::vector<Row> rows;
    for (const Part& part : parts) {
        int position = length(part.sequence);
        for (const std::int32_t id : part.ids) rows.push_back({id, part.sequence, position++, all});
        rows.back().wanted = true;
    }
    for (std::size_t done = 0; done < rows.size(); done += chunk_tokens) {
        const auto now = std::span(rows).subspan(done, std::min(chunk_tokens, rows.size() - done));
        chunk(now, logits);
        logits +=
            product(static_cast<int>(std::count_if(now.begin(), now.end(), [](const Row& row) { return row.wanted; })),
                    model_->vocab());
    }
}

void Session::chunk(std::span<const Row> rows, float* logits) {
    const Model& m = *model_;
    rows_ = rows;
    plan_attention();
    embed();
    for (std::size_t i = 0; i < m.layers.size(); ++i) {
        attention(m.layers[i], static_cast<int>(i));
        mlp(m.layers[i]);
    }
    require_finite(x_.data(), product(static_cast<int>(rows.size()), m.width), "hidden states");
    int wanted = 0;
    for (std::size_t row = 0; row < rows.size(); ++row) {
        lengths_[static_cast<std::size_t>(rows[row].sequence)] = rows[row].position + 1;
        if (rows[row].wanted)
            std::copy_n(x_.data() + row * static_cast<std::size_t>(m.width), m.width,
                        x_.data() + product(wanted++, m.width));
    }
    if (wanted == 0) return;
    norm(m.final_norm, x_, wanted, normed_);
    Input(normed_, wanted, m.width, rounding_, *m.isa, pool_).apply(*m.head, logits);
    require_finite(logits, product(wanted, m.vocab()), "logits");  // a cap would hide it
    if (m.logit_scale == 1 && m.logit_cap == 0) return;
    pool_.run(product(wanted, m.vocab()), [&](std::size_t begin, std::size_t end) {
        scale_and_cap(m, m.logit_scale, m.logit_cap, logits + begin, end - begin);
    });
}

// Cuts the queries of the chunk into jobs: head after head, so that what a head reads stays in a cache of the
// processor.
void Session::plan_attention() {
    const int count = static_cast<int>(rows_.size()), share = model_->heads / model_->kv_heads;
    jobs_.clear();
    for (int first = 0, end = 0; first < count; first = end) {
        while (end < count &&
               rows_[static_cast<std::size_t>(end)].sequence == rows_[static_cast<std::size_t>(first)].sequence)
            ++end;
        const int queries = (end - first) * share;
        for (int head = 0; head < model_->kv_heads; ++head)
            for (int begin = 0; begin < queries; begin += attend_queries)
                jobs_.push_back({first, head, begin, std::min(attend_queries, queries - begin)});
    }
}

void Session::embed() {
    const Model& m = *model_;
    x_.resize(product(static_cast<int>(rows_.size()), m.width));
    pool_.run(rows_.size(), [&](std::size_t begin, std::size_t end) {
        for (std::size_t i = begin; i < end; ++i) {
            float* x = x_.data() + i * static_cast<std::size_t>(m.width);
            copy_row(*m.embedding, rows_[i].id, x);
            scale_and_cap(m, m.embedding_scale, 0, x, static_cast<std::size_t>(m.width));
            if (m.positions.empty()) continue;
            const float* position = m.positions.data() + product(rows_[i].position, m.width);
            for (int d = 0; d < m.width; ++d) x[d] += position[d];
        }
    });
}

void Session::norm(const Gain& gain, const std::vector<float>& x, int rows, std::vector<float>& out) {
    out.resize(static_cast<std::size_t>(rows) * gain.size());
    pool_.run(static_cast<std::size_t>(rows), [&](std::size_t begin, std::size_t end) {
        for (std::size_t row = begin; row < end; ++row)
            normalize(*model_, gain, x.data() + row * gain.size(), out.data() + row * gain.size());
    });
}

// What the matrices behind a norm see: the residual stream, through the norm where there is one.
const std::vector<float>& Session::before(const Gain& gain) {
    if (gain.empty()) return x_;
    norm(gain, x_, static_cast<int>(rows_.size()), normed_);
    return normed_;
}

void Session::attention(const Layer& layer, int index) {
    const Model& m = *model_;
    const int rows = static_cast<int>(rows_.size());
    const std::size_t queries = product(rows, m.query_width()), keys = product(rows, m.kv_width());
    qkv_.resize(queries + 2 * keys);
    Input input(before(layer.attention_norm), rows, m.width, rounding_, *m.isa, pool_);
    if (layer.qkv.size() == 3) {
        input.apply(*layer.qkv[0], qkv_.data());
        input.apply(*layer.qkv[1], qkv_.data() + queries);
        input.apply(*layer.qkv[2], qkv_.data() + queries + keys);
    } else {
        out_.resize(qkv_.size());
        input.apply(*layer.qkv[0], out_.data());
        const int all = m.query_width() + 2 * m.kv_width();
        take_columns(out_.data(), rows, all, 0, m.query_width(), qkv_.data());
        take_columns(out_.data(), rows, all, m.query_width(), m.kv_width(), qkv_.data() + queries);
        take_columns(out_.data(), rows, all, m.query_width() + m.kv_width(), m.kv_width(),
                     qkv_.data() + queries + keys);
    }
    require_finite(qkv_.data(), qkv_.size(), "queries, keys or values");  // a softmax would hide it
    remember(layer, index);
    attend(layer, index);
    const std::vector<float>* mixed = &mixed_;
    if (!layer.attention_sub_norm.empty()) {
        norm(layer.attention_sub_norm, mixed_, rows, normed_);
        mixed = &normed_;
    }
    out_.resize(product(rows, m.width));
    Input(*mixed, rows, m.query_width(), rounding_, *m.isa, pool_).apply(*layer.attention_out, out_.data());
    add_to_residual(layer.attention_post_norm);
}

// Norms and rotates queries and keys, and puts keys and values into the cache.
void Session::remember(const Layer& layer, int index) {
    const Model& m = *model_;
    float* keys = qkv_.data() + rows_.size() * static_cast<std::size_t>(m.query_width());
    const float* values = keys + rows_.size() * static_cast<std::size_t>(m.kv_width());
    for (const Row& row : rows_) cache_.start_block(index, row.sequence, row.position);
    pool_.run(rows_.size(), [&](std::size_t begin, std::size_t end) {
        for (std::size_t i = begin; i < end; ++i) {
            const auto [id, sequence, position, wanted] = rows_[i];
            float* query = qkv_.data() + i * static_cast<std::size_t>(m.query_width());
            norm_heads(m, layer.query_norm, query, m.query_width());
            rotate(m, layer, position, query, m.heads);
            const std::size_t at = i * static_cast<std::size_t>(m.kv_width());
            norm_heads(m, layer.key_norm, keys + at, m.kv_width());
            rotate(m, layer, position, keys + at, m.kv_heads);
            cache_.put(index, sequence, position, keys + at, values + at, m.isa->ops);
        }
    });
}

void Session::attend(const Layer& layer, int index) {
    const Model& m = *model_;
    const int share = m.heads / m.kv_heads;
    const float factor = m.score_scale > 0 ? m.score_scale : 1.0f / std::sqrt(static_cast<float>(m.head_width));
    const auto& attend = m.isa->ops.attend[static_cast<std::size_t>(cache_.type())];
    const auto cache_of = [&](const Job& job) {
        return cache_.head(index, rows_[static_cast<std::size_t>(job.first_row)].sequence, job.head);
    };
    mixed_.resize(product(static_cast<int>(rows_.size()), m.query_width()));
    pool_.run(jobs_.size(), [&](std::size_t begin, std::size_t end) {
        std::vector<float> scratch;
        for (std::size_t i = begin; i < end; ++i) {
            const Job& job = jobs_[i];
            std::array<Query, attend_queries> queries{};
            for (int j = 0; j < job.count; ++j) {
                const int row = job.first_row + (job.begin + j) / share,
                          head = job.head * share + (job.begin + j) % share;
                const std::size_t at = product(row, m.query_width()) + product(head, m.head_width);
                const int seen = rows_[static_cast<std::size_t>(row)].position + 1;
                queries[static_cast<std::size_t>(j)] = {qkv_.data() + at, mixed_.data() + at,
                                                        layer.window > 0 ? std::max(seen - layer.window, 0) : 0, seen};
            }
            const std::size_t room =
                attend_scratch(m.head_width, queries[static_cast<std::size_t>(job.count - 1)].seen);
            if (scratch.size() < room) scratch.resize(room);
            attend({
                .cache = cache_of(job),
                .next = cache_of(jobs_[std::min(i + 1, end - 1)]),
                .width = m.head_width,
                .factor = factor,
                .cap = m.score_cap,
                .queries = queries.data(),
                .count = job.count,
                .scratch = scratch.data(),
            });
        }
    });
}

void Session::mlp(const Layer& layer) {
    const Model& m = *model_;
    const bool fused = m.gated && layer.up.size() == 1;
    const int rows = static_cast<int>(rows_.size()), hidden = pentanet::rows(*layer.up[0]) / (fused ? 2 : 1);
    hidden_.resize(product(rows, hidden));
    other_.resize(m.gated ? hidden_.size() : 0);
    Input input(before(layer.mlp_norm), rows, m.width, rounding_, *m.isa, pool_);
    if (fused) {
        out_.resize(2 * hidden_.size());
        input.apply(*layer.up[0], out_.data());
        take_columns(out_.data(), rows, 2 * hidden, 0, hidden, hidden_.data());
        take_columns(out_.data(), rows, 2 * hidden, hidden, hidden, other_.data());
    } else {
        input.apply(*layer.up[0], hidden_.data());
        if (m.gated) input.apply(*layer.up[1], other_.data());
    }
    pool_.run(static_cast<std::size_t>(rows), [&](std::size_t begin, std::size_t end) {
        for (std::size_t row = begin; row < end; ++row) {
            const std::size_t at = row * static_cast<std::size_t>(hidden);
            activate(m, hidden_.data() + at, other_.empty() ? nullptr : other_.data() + at, hidden);
        }
    });
    const std::vector<float>* inner = &hidden_;
    if (!layer.mlp_sub_norm.empty()) {
        norm(layer.mlp_sub_norm, hidden_, rows, other_);
        inner = &other_;
    }
    out_.resize(product(rows, m.width));
    Input(*inner, rows, hidden, rounding_, *m.isa, pool_).apply(*layer.down, out_.data());
    add_to_residual(layer.mlp_post_norm);
}

void Session::add_to_residual(const Gain& post_norm) {
    pool_.run(rows_.size(), [&](std::size_t begin, std::size_t end) {
        const auto width = static_cast<std::size_t>(model_->width);
        if (!post_norm.empty())
            for (std::size_t row = begin; row < end; ++row)
                normalize(*model_, post_norm, out_.data() + row * width, out_.data() + row * width);
        scale_and_cap(*model_, model_->residual_scale, 0, out_.data() + begin * width, (end - begin) * width);
        for (std::size_t i = begin * width; i < end * width; ++i) x_[i] += out_[i];
    });
}

}  // namespace pentanet
