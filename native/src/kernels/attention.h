// Attention over the cache, compiled once for each instruction set. pentanet/attention.h says what is computed, and in
// which order. Lanes are tokens while scores are computed and indices of the head width while values are mixed, so that
// no sum runs across lanes, and vectors can be as wide as the machine has them. Internal linkage, as in float_ops.h.
#pragma once

#include <bit>
#include <cstring>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#include "kernels/exponential.h"
#include "kernels/half_floats.h"
#include "kernels/soft_cap.h"
#include "kernels/unroll.h"
#include "pentanet/attention.h"

namespace pentanet {
namespace {
namespace attention {

#if defined(__AVX512BW__)
constexpr int wide = 16, score_vectors = 4, mix_vectors = 8, shared_vectors = 4;
#elif defined(__AVX2__)
constexpr int wide = 8, score_vectors = 4, mix_vectors = 8, shared_vectors = 2;
#else
constexpr int wide = 4, score_vectors = 4, mix_vectors = 8, shared_vectors = 2;
#endif
using Reals = float __attribute__((vector_size(4 * wide)));
using Words = std::int32_t __attribute__((vector_size(4 * wide)));
using Shorts = std::int16_t __attribute__((vector_size(4 * wide)));

constexpr int in_block = block_tokens / wide;  // vectors

inline int smaller(int a, int b) { return a < b ? a : b; }
inline int larger(int a, int b) { return a > b ? a : b; }

template <class Vector, class T>
inline Vector get(const T* p) {
    Vector v;
    std::memcpy(&v, p, sizeof v);
    return v;
}

template <class Vector, class T>
inline void put(T* p, const Vector& v) {
    std::memcpy(p, &v, sizeof v);
}

struct Float32 {
    using Stored = float;
    static Reals load(const float* p) { return get<Reals>(p); }
};

inline Words words(const std::uint16_t* p) {
    using HalfFloats = std::uint16_t __attribute__((vector_size(2 * wide)));
    return __builtin_convertvector(get<HalfFloats>(p), Words);
}

struct Float16 {
    using Stored = std::uint16_t;
    static Reals load(const std::uint16_t* p) {
#if defined(__AVX512BW__)
        return reinterpret_cast<Reals>(_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))));
#elif defined(__AVX2__)
        return reinterpret_cast<Reals>(_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
#else
        return half_floats::from_float16<Reals, Words>(words(p));
#endif
    }
};

struct BFloat16 {
    using Stored = std::uint16_t;
    static Reals load(const std::uint16_t* p) { return std::bit_cast<Reals>(words(p) << 16); }
};

// Pairs of bytes, as pairs of 16 bits.
inline Shorts load_pairs(const std::int8_t* p) {
#if defined(__AVX512BW__)
    return reinterpret_cast<Shorts>(_mm512_cvtepi8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))));
#elif defined(__AVX2__)
    return reinterpret_cast<Shorts>(_mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
#else
    using Bytes = std::int8_t __attribute__((vector_size(2 * wide)));
    return __builtin_convertvector(get<Bytes>(p), Shorts);
#endif
}

// sums + a[2i] * b[0] + a[2i + 1] * b[1]
inline Words add_pairs(const Words& sums, const Shorts& a, const std::int16_t* b) {
    std::int32_t pair;
    std::memcpy(&pair, b, sizeof pair);
#if defined(__AVX512BW__) && defined(__AVX512VNNI__)
    return reinterpret_cast<Words>(
        _mm512_dpwssd_epi32(reinterpret_cast<__m512i>(sums), reinterpret_cast<__m512i>(a), _mm512_set1_epi32(pair)));
#elif defined(__AVX2__)
    return sums + reinterpret_cast<Words>(_mm256_madd_epi16(reinterpret_cast<__m256i>(a), _mm256_set1_epi32(pair)));
#else
    const Words both = std::bit_cast<Words>(a);
    return sums + (both << 16 >> 16) * std::int32_t{b[0]} + (both >> 16) * std::int32_t{b[1]};
#endif
}

// Asks for the line of 64 bytes at an offset of a block that is read later, when the offset begins one. Into the second
// cache, since the first waits for few lines at a time. One query alone reads so fast that the processor fetches better
// by itself.
template <int Rows>
inline void fetch(const std::uint8_t* block, std::ptrdiff_t offset) {
    if (Rows > 1 && offset % 64 == 0) __builtin_prefetch(block + offset, 0, 2);
}

// A part of the cache that a step works on: whole blocks.
struct Span {
    int base, end;  // tokens, multiples of 16

    int tokens() const { return end - base; }
};

// The blocks that any of the queries sees.
inline Span span_of(const Attend& a) {
    int first = a.queries[0].first, seen = a.queries[0].seen;
    for (int i = 1; i < a.count; ++i) {
        first = smaller(first, a.queries[i].first);
        seen = larger(seen, a.queries[i].seen);
    }
    return {first / block_tokens * block_tokens, (seen + block_tokens - 1) / block_tokens * block_tokens};
}

// The blocks of a head in the order in which they are read: keys, values, and then those of the next head.
class Reading {
public:
    Reading(const Attend& a, Span span)
        : now_(a.cache), next_(a.next), first_(span.base / block_tokens), count_(span.tokens() / block_tokens),
          ahead_(larger(static_cast<int>(ahead_bytes / a.cache.key_bytes), 1)) {}

    // What to ask for while the keys, or the values, of a block are read.
    const std::uint8_t* while_keys(int block) const { return at(block - first_ + ahead_); }
    const std::uint8_t* while_values(int block) const { return at(block - first_ + count_ + ahead_); }

private:
    static constexpr int ahead_bytes = 12288;

    const std::uint8_t* at(int i) const {
        const HeadCache& head = i < 2 * count_ ? now_ : next_;
        if (i >= 2 * count_) i -= 2 * count_;
        return i < count_ ? head.key_block(first_ + i) : head.value_block(first_ + smaller(i - count_, count_ - 1));
    }

    const HeadCache &now_, &next_;
    int first_, count_, ahead_;
};

// Calls f(first block, count) for all blocks of a span. One at a time reads memory in order; several queries, which
// find most of it in a cache, take as many at once as give enough independent sums.
template <int Rows, class F>
inline void for_blocks(Span span, F&& f) {
    constexpr int wanted = Rows == 1 ? 1 : score_vectors / in_block / (Rows > 2 ? 2 : 1),
                  most = wanted > 0 ? wanted : 1;
    int block = span.base / block_tokens;
    const int end = span.end / block_tokens;
    for (; block + most <= end; block += most) f(block, std::integral_constant<int, most>{});
    for (; block < end; ++block) f(block, std::integral_constant<int, 1>{});
}

// scores[row, token] = q[row] . keys * factor, from the first token of the span on.
template <class Type, int Rows>
void score(const Attend& a, Span span, float factor, float* scores) {
    using Stored = typename Type::Stored;
    const Reading reading(a, span);
    for_blocks<Rows>(span, [&](int block, auto blocks) {
        constexpr int vectors = blocks * in_block;
        const Stored* keys[blocks];
        const std::uint8_t* later[blocks];
        unroll<blocks>(PENTANET_EACH(b) {
            keys[b] = reinterpret_cast<const Stored*>(a.cache.key_block(block + b));
            later[b] = reading.while_keys(block + b);
        });
        Reals sums[Rows][vectors] = {};
        for (std::ptrdiff_t d = 0; d < a.width; ++d)
            unroll<vectors>(PENTANET_EACH(v) {
                const std::ptrdiff_t at = d * block_tokens + v % in_block * wide;
                fetch<Rows>(later[v / in_block], at * std::ptrdiff_t{sizeof(Stored)});
                const Reals key = Type::load(keys[v / in_block] + at);
                unroll<Rows>(PENTANET_EACH(r) { sums[r][v] += key * a.queries[r].q[d]; });
            });
        float* out = scores + block * block_tokens - span.base;
        unroll<Rows>(PENTANET_EACH(r) {
            unroll<vectors>(
                PENTANET_EACH(v) { put(out + r * std::ptrdiff_t{span.tokens()} + v * wide, sums[r][v] * factor); });
        });
    });
}

// Puts a cap on the scores of all rows.
inline void cap_scores(const Attend& a, std::ptrdiff_t count, float* scores) {
    if (a.cap == 0) return;
    for (std::ptrdiff_t t = 0; t < count; t += wide)
        put(scores + t, soft_cap<Reals, Words>(get<Reals>(scores + t), a.cap));
}

// The largest of the scores that a query sees; all others become -infinity.
inline float largest(const Query& query, Span span, float* scores) {
    for (int t = span.base; t < query.first; ++t) scores[t - span.base] = -__builtin_inff();
    for (int t = query.seen; t < span.end; ++t) scores[t - span.base] = -__builtin_inff();
    Reals most = get<Reals>(scores);
    for (int t = wide; t < span.tokens(); t += wide) {
        const Reals other = get<Reals>(scores + t);
        most = other > most ? other : most;
    }
    float top = most[0];
    for (int i = 1; i < wide; ++i) top = most[i] > top ? most[i] : top;
    return top;
}

// Scores become e^(score - top). Returns their sum, of 16 parts.
inline float exponentials(Span span, float top, float* scores) {
    Reals parts[in_block] = {};
    for (int t = 0; t < span.tokens(); t += block_tokens)
        for (int v = 0; v < in_block; ++v) {
            float* place = scores + t + v * wide;
            const Reals e = exponential<Reals, Words>(get<Reals>(place) - top);
            put(place, e);
            parts[v] += e;
        }
    float part[block_tokens];
    std::memcpy(part, parts, sizeof part);
    for (int half = block_tokens / 2; half > 0; half /= 2)
        for (int i = 0; i < half; ++i) part[i] += part[i + half];
    return part[0];
}

// Calls f(first place, vectors) for all vectors of the padded width.
template <int Rows, class F>
inline void for_columns(int width, F&& f) {
    constexpr int most = Rows == 1 ? mix_vectors : shared_vectors;
    const int all = padded_width(width) / wide;
    for (int done = 0; done < all; done += most)
        with_count<most>(smaller(most, all - done), [&](auto count) { f(std::ptrdiff_t{done} * wide, count); });
}

// out[row, place] = sum over tokens of weights[row, token] * values.
template <class Type, int Rows>
void mix(const Attend& a, Span span, int seen, const float* weights, float* out) {
    using Stored = typename Type::Stored;
    const std::ptrdiff_t padded = padded_width(a.width), tokens = span.tokens();
    const Reading reading(a, span);
    for_columns<Rows>(a.width, [&](std::ptrdiff_t place, auto vectors) {
        Reals sums[Rows][vectors] = {};
        for (int base = span.base; base < seen; base += block_tokens) {
            const auto* values = reinterpret_cast<const Stored*>(a.cache.value_block(base / block_tokens)) + place;
            const std::uint8_t* later = reading.while_values(base / block_tokens);
            const float* weight = weights + (base - span.base);
            const int count = smaller(block_tokens, seen - base);
            for (int t = 0; t < count; ++t, values += padded, ++weight)
                unroll<vectors>(PENTANET_EACH(v) {
                    fetch<Rows>(later, (t * padded + place + v * wide) * std::ptrdiff_t{sizeof(Stored)});
                    const Reals value = Type::load(values + v * wide);
                    unroll<Rows>(PENTANET_EACH(r) { sums[r][v] += value * weight[r * tokens]; });
                });
        }
        unroll<Rows>(PENTANET_EACH(r) {
            unroll<vectors>(PENTANET_EACH(v) { put(out + r * padded + place + v * wide, sums[r][v]); });
        });
    });
}

inline int last_seen(const Attend& a) {
    int seen = 0;
    for (int i = 0; i < a.count; ++i) seen = larger(seen, a.queries[i].seen);
    return seen;
}

template <class Type, int Rows>
void attend_rows(const Attend& a) {
    const Span span = span_of(a);
    const std::ptrdiff_t tokens = span.tokens(), padded = padded_width(a.width);
    float* scores = a.scratch;
    float* mixed = scores + Rows * tokens;
    score<Type, Rows>(a, span, a.factor, scores);
    cap_scores(a, Rows * tokens, scores);
    float total[Rows];
    for (int r = 0; r < Rows; ++r) {
        const float top = largest(a.queries[r], span, scores + r * tokens);
        total[r] = exponentials(span, top, scores + r * tokens);
    }
    mix<Type, Rows>(a, span, last_seen(a), scores, mixed);
    for (int r = 0; r < Rows; ++r)
        for (int d = 0; d < a.width; ++d) a.queries[r].out[d] = mixed[r * padded + d] / total[r];
}

template <class Type>
void attend(const Attend& a) {
    with_count<attend_queries>(a.count, [&](auto rows) { attend_rows<Type, rows>(a); });
}

}  // namespace attention
}  // namespace
}  // namespace pentanet

#include "kernels/attention_int8.h"
