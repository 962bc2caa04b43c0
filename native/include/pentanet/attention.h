// Attention of a token to those before it: out = softmax(cap(q . keys * factor)) values, for one key-value head.
//
// The order of every sum is part of the definition, so that all instruction sets agree in every bit, and so that
// nothing depends on which other queries are computed along: a score sums over the width in order, a mixed value over
// tokens in order, and the sum of a softmax has 16 parts, one for each place of a token in its block.
#pragma once

#include <cstddef>
#include <cstdint>

namespace pentanet {

// How keys and values are stored. int8 has a scale for each token and head; the queries are then rounded to 16 bits,
// the weights of a softmax too, and both products are exact sums of integers.
enum class CacheType : std::uint8_t { float32, float16, bfloat16, int8 };
inline constexpr int cache_types = 4;

inline constexpr int block_tokens = 16;   // tokens per block of the cache; their keys are interleaved
inline constexpr int attend_queries = 4;  // that share what they read, at most

// The cache of one key-value head, in blocks of 16 tokens. A block holds keys as [width, 16 tokens], and values as
// [16 tokens, padded width]. int8 keeps pairs together: keys are [width / 2, 16 tokens, 2] and values
// [8, padded width, 2 tokens]; the keys of a block are followed by the float32 [16] scales of its keys, then of its
// values. Sixteen blocks are contiguous, keys and values apart: streams long enough for the memory, and short enough
// that a cache grows with its text.
struct HeadCache {
    const std::uint8_t* keys;
    const std::uint8_t* values;
    std::ptrdiff_t key_bytes, value_bytes;  // of a block
    std::ptrdiff_t chunk_bytes;             // from sixteen blocks to the next sixteen

    [[gnu::always_inline]] const std::uint8_t* key_block(int block) const { return at(keys, block, key_bytes); }
    [[gnu::always_inline]] const std::uint8_t* value_block(int block) const { return at(values, block, value_bytes); }
    [[gnu::always_inline]] const std::uint8_t* key_scale(int block) const {
        return key_block(block) + key_bytes - 2 * scale_bytes;
    }
    [[gnu::always_inline]] const std::uint8_t* value_scale(int block) const {
        return key_block(block) + key_bytes - scale_bytes;
    }

    static constexpr int chunk_blocks = 16;
    static constexpr std::ptrdiff_t scale_bytes = block_tokens * sizeof(float);

private:
    [[gnu::always_inline]] const std::uint8_t* at(const std::uint8_t* start, int block, std::ptrdiff_t bytes) const {
        return start + block / chunk_blocks * chunk_bytes + block % chunk_blocks * bytes;
    }
};

// Values are padded with zeros to whole vectors.
constexpr int padded_width(int width) { return (width + 15) / 16 * 16; }

// A query sees the tokens first .. seen - 1, and what it takes from them goes to `out`. Both have `width` numbers.
struct Query {
    const float* q;
    float* out;
    int first, seen;
};

struct Attend {
    HeadCache cache;
    HeadCache next;  // of the call that follows, which asks for it early
    int width;
    float factor;  // of the scores
    float cap;     // what scores go towards, cap * tanh(score / cap); 0 leaves them
    const Query* queries;
    int count;       // of queries, 1 to attend_queries
    float* scratch;  // attend_scratch(width, tokens) numbers
};

// Floats of scratch for queries that see at most `tokens` tokens, counted from the start of the text.
constexpr std::size_t attend_scratch(int width, int tokens) {
    const auto span = static_cast<std::size_t>((tokens + block_tokens - 1) / block_tokens * block_tokens);
    return attend_queries * (2 * span + 2 * static_cast<std::size_t>(padded_width(width)));
}

}  // namespace pentanet
