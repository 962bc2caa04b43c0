// A running model: sequences of equal length, their key-value cache, and the next logits.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "pentanet/linear.h"
#include "pentanet/model.h"
#include "pentanet/pool.h"

namespace pentanet {

// Results depend on each sequence alone: not on the batch, on how its tokens were divided into calls, or on threads.
class Session {
public:
    Session(std::shared_ptr<const Model> model, int batch, int threads);

    const Model& model() const { return *model_; }
    int batch() const { return batch_; }
    int threads() const { return pool_.threads(); }
    int length() const { return length_; }

    // Forgets all but the first `length` tokens of each sequence. Throws std::invalid_argument if there are fewer.
    void truncate(int length);

    // Appends ids [batch, tokens]. Writes logits [batch, vocab] after the last one, or with `all` after each one
    // [batch, tokens, vocab]. Throws std::invalid_argument for ids that do not exist, and where the context is full.
    void forward(const std::int32_t* ids, int tokens, bool all, float* logits);

private:
    struct Cache {
        std::unique_ptr<float[]> keys, values;  // [batch, kv heads, context, head width]
    };
    void chunk(const std::int32_t* ids, std::ptrdiff_t ids_stride, int tokens, bool all, float* logits,
               std::ptrdiff_t logits_stride);
    void embed(const std::int32_t* ids, std::ptrdiff_t ids_stride, int tokens);
    void attention(const Layer& layer, Cache& cache, int tokens);
    void remember(const Layer& layer, Cache& cache, int tokens);
    void attend(const Cache& cache, int tokens);
    void mlp(const Layer& layer, int tokens);
    void add_to_residual(int tokens);
    void norm(const Gain& gain, std::vector<float>& x, int size, int tokens, std::vector<float>& out);

    std::shared_ptr<const Model> model_;
    Pool pool_;
    int batch_;
    int length_ = 0;
    std::vector<Cache> caches_;
    std::vector<float> x_, normed_, qkv_, mixed_, hidden_, other_, out_;  // [batch * tokens, ...]
};

}  // namespace pentanet
