// A decoder network: Llama's shape and the publication's GPT are two fillings of one description.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "pentanet/matrix.h"

namespace pentanet {

using MatrixRef = std::shared_ptr<const Matrix>;

// Of a norm; both are empty where there is none.
struct Gain {
    std::vector<float> factors;
    std::vector<float> shifts;  // added at last; or empty

    std::size_t size() const { return factors.size(); }
    bool empty() const { return factors.empty(); }
};

enum class NormKind : std::uint8_t { rms, layer };  // x / rms(x) * factors, or (x - mean) / deviation * factors
enum class Activation : std::uint8_t { silu, relu2, gelu, gelu_tanh };

// Rotary positions. Numbers i and i + half of a head turn together; those from 2 * half on stay as they are.
struct Rotary {
    int half;
    std::vector<float> cosines, sines;  // [context, half]
};

// Norms, all but the first and the last of a network, are empty where there is none.
// Matrices have one column for each input; or two or three, one block of columns behind the other, and see the inputs
// as often: sums of planes.
struct Layer {
    Gain attention_norm;
    std::vector<MatrixRef> qkv;  // queries, keys and values; or one matrix with all three
    Gain query_norm, key_norm;   // over each head, or over all heads together
    Gain attention_sub_norm;
    MatrixRef attention_out;
    Gain attention_post_norm;  // of what is added to the residual stream
    Gain mlp_norm;
    std::vector<MatrixRef> up;  // gate and up; or one matrix, with both where the model is gated
    Gain mlp_sub_norm;
    MatrixRef down;
    Gain mlp_post_norm;
    int window = 0;   // tokens that one sees, itself included; 0 for all before it
    int rotary = -1;  // which of the model's positions turn queries and keys; -1 for none
};

struct Model {
    int width;
    int heads;
    int kv_heads;
    int head_width;
    int context;
    NormKind norm;
    float norm_eps;
    Activation activation;
    bool gated;             // act(gate(x)) * up(x), else act(up(x))
    float embedding_scale;  // factor of embeddings,
    float residual_scale;   // of what is added to the residual stream,
    float score_scale;      // of attention's scores; 0 for 1 / sqrt(head width),
    float logit_scale;      // and of logits
    float score_cap;        // what scores go towards, cap * tanh(score / cap); 0 leaves them
    float logit_cap;        // the same of logits
    MatrixRef embedding;    // [vocab, width]
    MatrixRef head;         // [vocab, width]
    Gain final_norm;
    std::vector<float> positions;  // learned [context, width], or empty
    std::vector<Rotary> rotaries;
    std::vector<Layer> layers;
    const Isa* isa;

    int query_width() const { return heads * head_width; }
    int kv_width() const { return kv_heads * head_width; }
    int vocab() const;
    int hidden() const;  // outputs of the widest matrix into an MLP

    std::size_t bytes_per_token() const;  // of weights that the next token reads: all matrices but the embedding

    // Throws std::invalid_argument, naming the part, unless all shapes fit each other.
    void check() const;
};

int rows(const Matrix& matrix);
int cols(const Matrix& matrix);
std::size_t nbytes(const Matrix& matrix);
void copy_row(const Matrix& matrix, int index, float* out);

}  // namespace pentanet
