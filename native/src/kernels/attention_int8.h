// Attention over a cache of int8; included by attention.h. Queries and the weights of a softmax are rounded to 16
// bits, each row by its largest magnitude, so that next to nothing is lost beyond the rounding of keys and values
// themselves, and both products are exact sums of integers.
#pragma once

namespace pentanet {
namespace {
namespace attention {

constexpr int exact_tokens = 256;  // whose sum of 32767 * 127 each fits 32 bits
constexpr int most_weight = 32767;
static_assert(std::int64_t{exact_tokens} * most_weight * 127 < INT32_MAX);

// Rounds `count` numbers to -limit .. limit, and returns what one of these steps is worth. Zeros follow, up to `room`.
inline float to_shorts(const float* x, int count, int room, int limit, std::int16_t* out) {
    constexpr float round = 12582912.0f;  // adding 1.5 * 2^23 rounds to the nearest integer, ties to even
    const auto most = static_cast<float>(limit);
    std::memset(out, 0, static_cast<std::size_t>(room) * sizeof(std::int16_t));
    Reals tops = {};
    int i = 0;
    for (; i + wide <= count; i += wide) {
        const Reals v = get<Reals>(x + i), size = v < 0 ? -v : v;
        tops = size > tops ? size : tops;
    }
    float top = 0;
    for (int lane = 0; lane < wide; ++lane) top = tops[lane] > top ? tops[lane] : top;
    for (; i < count; ++i) top = __builtin_fabsf(x[i]) > top ? __builtin_fabsf(x[i]) : top;
    if (!(top > 1e-30f)) return 0;
    const float steps = most / top;
    const auto whole = [&](const Reals& v) {
        Reals scaled = v * steps;
        scaled = scaled > -most ? scaled : Reals{} - most;  // NaN too, which no cast could take
        scaled = scaled < most ? scaled : Reals{} + most;
        using Half = std::int16_t __attribute__((vector_size(2 * wide)));
        return __builtin_convertvector(__builtin_convertvector((scaled + round) - round, Words), Half);
    };
    for (i = 0; i + wide <= count; i += wide) put(out + i, whole(get<Reals>(x + i)));
    if (i < count) {
        float rest[wide] = {};
        std::memcpy(rest, x + i, static_cast<std::size_t>(count - i) * sizeof(float));
        const auto last = whole(get<Reals>(rest));
        std::memcpy(out + i, &last, static_cast<std::size_t>(count - i) * sizeof(std::int16_t));
    }
    return top / most;
}

// Computes scores and gathers value scales in the same pass: each scale is on its own cache line, and loading them
// later costs as much as the softmax.
template <int Rows>
void score_int8(const Attend& a, Span span, const std::int16_t* q, std::ptrdiff_t q_stride, const float* factors,
                float* scores, float* value_scales) {
    const Reading reading(a, span);
    for_blocks<Rows>(span, [&](int block, auto blocks) {
        constexpr int vectors = blocks * in_block;
        const std::int8_t* keys[blocks];
        const std::uint8_t* later[blocks];
        unroll<blocks>(PENTANET_EACH(b) {
            keys[b] = reinterpret_cast<const std::int8_t*>(a.cache.key_block(block + b));
            later[b] = reading.while_keys(block + b);
            fetch<Rows>(later[b] + a.cache.key_bytes, -2 * HeadCache::scale_bytes);
            fetch<Rows>(later[b] + a.cache.key_bytes, -HeadCache::scale_bytes);
        });
        Words sums[Rows][vectors] = {}, others[Rows][vectors] = {};  // that do not wait for each other
        const auto multiply = [&](std::ptrdiff_t d, Words(&to)[Rows][vectors]) __attribute__((always_inline)) {
            unroll<vectors>(PENTANET_EACH(v) {
                const std::ptrdiff_t at = d * block_tokens + v % in_block * (2 * wide);
                fetch<Rows>(later[v / in_block], at);
                const Shorts key = load_pairs(keys[v / in_block] + at);
                unroll<Rows>(PENTANET_EACH(r) { to[r][v] = add_pairs(to[r][v], key, q + r * q_stride + d); });
            });
        };
        std::ptrdiff_t d = 0;
        for (; d + 2 < a.width; d += 4) {
            multiply(d, sums);
            multiply(d + 2, others);
        }
        if (d < a.width) multiply(d, sums);
        float* out = scores + block * block_tokens - span.base;
        unroll<vectors>(PENTANET_EACH(v) {
            const int of = block + v / in_block;
            const std::size_t at = v % in_block * sizeof(Reals);
            const Reals scale = get<Reals>(a.cache.key_scale(of) + at);
            put(value_scales + block * block_tokens - span.base + v * wide, get<Reals>(a.cache.value_scale(of) + at));
            unroll<Rows>(PENTANET_EACH(r) {
                put(out + r * std::ptrdiff_t{span.tokens()} + v * wide,
                    __builtin_convertvector(sums[r][v] + others[r][v], Reals) * scale * factors[r]);
            });
        });
    });
}

// Weights become weight * scale of the value, which is what multiplies its integers.
inline void scale_weights(const float* value_scales, int tokens, float* weights) {
    for (int t = 0; t < tokens; t += wide) put(weights + t, get<Reals>(weights + t) * get<Reals>(value_scales + t));
}

// out[row, place] = sum over tokens of weights[row, token] * values: exact within 256 tokens, these sums then in
// float32.
template <int Rows>
void mix_int8(const Attend& a, Span span, const std::int16_t* weights, float* out) {
    const std::ptrdiff_t padded = padded_width(a.width), tokens = span.tokens();
    const Reading reading(a, span);
    for_columns<Rows>(a.width, [&](std::ptrdiff_t place, auto vectors) {
        Reals totals[Rows][vectors] = {};
        for (int base = span.base; base < span.end;) {
            const int end = smaller(base / exact_tokens * exact_tokens + exact_tokens, span.end);
            Words sums[Rows][vectors] = {};
            for (; base < end; base += block_tokens) {
                const auto* values =
                    reinterpret_cast<const std::int8_t*>(a.cache.value_block(base / block_tokens)) + 2 * place;
                const std::uint8_t* later = reading.while_values(base / block_tokens);
                const std::int16_t* weight = weights + (base - span.base);
                for (int t = 0; t < block_tokens; t += 2, values += 2 * padded, weight += 2)
                    unroll<vectors>(PENTANET_EACH(v) {
                        fetch<Rows>(later, t * padded + 2 * (place + v * wide));
                        const Shorts value = load_pairs(values + v * (2 * wide));
                        unroll<Rows>(
                            PENTANET_EACH(r) { sums[r][v] = add_pairs(sums[r][v], value, weight + r * tokens); });
                    });
            }
            unroll<Rows>(PENTANET_EACH(r) {
                unroll<vectors>(PENTANET_EACH(v) { totals[r][v] += __builtin_convertvector(sums[r][v], Reals); });
            });
        }
        unroll<Rows>(PENTANET_EACH(r) {
            unroll<vectors>(PENTANET_EACH(v) { put(out + r * padded + place + v * wide, totals[r][v]); });
        });
    });
}

template <int Rows>
void attend_rows_int8(const Attend& a) {
    const Span span = span_of(a);
    const std::ptrdiff_t tokens = span.tokens(), padded = padded_width(a.width);
    float* scores = a.scratch;
    float* value_scales = scores + Rows * tokens;
    auto* weights = reinterpret_cast<std::int16_t*>(value_scales + tokens);
    auto* q = weights + Rows * tokens;
    auto* mixed = reinterpret_cast<float*>(q + Rows * padded);
    const int limit = smaller(most_weight, INT32_MAX / (127 * (a.width + 1)));
    float factors[Rows], total[Rows], steps[Rows];
    for (int r = 0; r < Rows; ++r)
        factors[r] = a.factor * to_shorts(a.queries[r].q, a.width, static_cast<int>(padded), limit, q + r * padded);
    score_int8<Rows>(a, span, q, padded, factors, scores, value_scales);
    cap_scores(a, Rows * tokens, scores);
    for (int r = 0; r < Rows; ++r) {
        float* row = scores + r * tokens;
        total[r] = exponentials(span, largest(a.queries[r], span, row), row);
        scale_weights(value_scales, span.tokens(), row);
        steps[r] = to_shorts(row, span.tokens(), span.tokens(), most_weight, weights + r * tokens);
    }
    mix_int8<Rows>(a, span, weights, mixed);
    for (int r = 0; r < Rows; ++r)
        for (int d = 0; d < a.width; ++d) a.queries[r].out[d] = mixed[r * padded + d] * (steps[r] / total[r]);
}

void attend_int8(const Attend& a) {
    with_count<attend_queries>(a.count, [&](auto rows) { attend_rows_int8<rows>(a); });
}

}  // namespace attention
}  // namespace
}  // namespace pentanet
