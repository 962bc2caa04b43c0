// A running model: sequences, their key-value cache, and the next logits.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "pentanet/cache.h"
#include "pentanet/linear.h"
#include "pentanet/model.h"
#include "pentanet/pool.h"

namespace pentanet {

// The next tokens of a sequence.
struct Part {
    int sequence;
    std::span<const std::int32_t> ids;
};

// Results depend on each sequence alone: not on others, on how its tokens were divided into calls, or on threads.
class Session {
public:
    // Room for so many sequences, which are all empty at first.
    Session(std::shared_ptr<const Model> model, int sequences, int threads, CacheType cache, Rounding rounding,
            bool pin = false);

    const Model& model() const { return *model_; }
    int sequences() const { return static_cast<int>(lengths_.size()); }
    int threads() const { return pool_.threads(); }
    const Cache& cache() const { return cache_; }

    // Tokens that a sequence has. Throws std::invalid_argument where there is no such sequence.
    int length(int sequence) const;

    // Forgets all but the first `length` tokens of a sequence. Throws std::invalid_argument if there are fewer.
    void truncate(int sequence, int length);

    // Appends tokens to some sequences. Writes logits [parts, vocab] after the last one of each part, or with `all`
    // after each token, part after part. Throws std::invalid_argument, and changes nothing, for ids and sequences that
    // do not exist, a sequence that comes twice, a part without tokens, and where a context is full. Throws
    // std::overflow_error where an activation is NaN or infinite; the sequences are then to be truncated.
    void forward(std::span<const Part> parts, bool all, float* logits);

private:
    struct Row {  // a token that is being computed
        std::int32_t id;
        int sequence, position;
        bool wanted;  // its logits
    };
    // Queries of one key-value head that are computed together: [rows, heads that share it], cut into pieces.
    struct Job {
        int first_row, head, begin, count;
    };
    void check(std::span<const Part> parts) const;
    void chunk(std::span<const Row> rows, float* logits);
    void plan_attention();
    void embed();
    void attention(const Layer& layer, int index);
    void remember(const Layer& layer, int index);
    void attend(const Layer& layer, int index);
    void mlp(const Layer& layer);
    const std::vector<float>& before(const Gain& gain);
    void add_to_residual(const Gain& post_norm);
    void norm(const Gain& gain, const std::vector<float>& x, int rows, std::vector<float>& out);

    std::shared_ptr<const Model> model_;
    Pool pool_;
    std::vector<int> lengths_;
    Cache cache_;
    Rounding rounding_;
    std::span<const Row> rows_;  // of the chunk
    std::vector<Job> jobs_;
    std::vector<float> x_, normed_, qkv_, mixed_, hidden_, other_, out_;  // [rows, ...]
};

}  // namespace pentanet
