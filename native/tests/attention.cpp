// Attention over each kind of cache: right to rounding on the oracle, the same bits on every other instruction set, and
// from queries alone or together.

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "check.h"
#include "pentanet/cache.h"

namespace pentanet::test {
namespace {

constexpr int heads = 2;
constexpr CacheType types[] = {CacheType::float32, CacheType::float16, CacheType::bfloat16, CacheType::int8};
constexpr double errors[] = {2e-6, 1e-3, 8e-3, 2e-2};  // of the largest value, by type

std::vector<float> numbers(std::size_t n, std::mt19937& random) {
    std::vector<float> x(n);
    for (float& v : x) v = static_cast<float>(static_cast<std::int32_t>(random())) * 0x1p-30f;
    return x;
}

struct Text {
    int width, tokens;
    std::vector<float> keys, values, queries;  // [tokens, heads, width]; queries [tokens, width]

    Text(int w, int t, std::mt19937& random) : width(w), tokens(t) {
        const auto size = static_cast<std::size_t>(w) * static_cast<std::size_t>(t);
        keys = numbers(size * heads, random);
        values = numbers(size * heads, random);
        queries = numbers(size, random);
    }

    const float* row(const std::vector<float>& from, int token, int head) const {
        return from.data() + (std::ptrdiff_t{token} * heads + head) * width;
    }
};

struct Scores {
    int window;
    float factor, cap;

    int first(int token) const { return window > 0 ? std::max(token + 1 - window, 0) : 0; }
    double of(double product) const { return cap > 0 ? cap * std::tanh(product * factor / cap) : product * factor; }
};

Cache filled(const Text& text, CacheType type, const FloatOps& ops) {
    Cache cache(type, 2, 2, heads, text.width, text.tokens);  // the second layer, of the second sequence
    for (int t = 0; t < text.tokens; ++t) {
        cache.start_block(1, 1, t);
        cache.put(1, 1, t, text.row(text.keys, t, 0), text.row(text.values, t, 0), ops);
    }
    return cache;
}

// What the queries of the last `count` tokens take, [count, width], `together` of them at a time.
std::vector<float> attend(const Text& text, const Cache& cache, const FloatOps& ops, int count, Scores scores,
                          int together) {
    std::vector<float> out(static_cast<std::size_t>(count) * static_cast<std::size_t>(text.width));
    std::vector<float> scratch(attend_scratch(text.width, text.tokens));
    for (int done = 0; done < count; done += together) {
        Query queries[attend_queries];
        const int now = std::min(together, count - done);
        for (int i = 0; i < now; ++i) {
            const int token = text.tokens - count + done + i;
            queries[i] = {text.queries.data() + std::ptrdiff_t{token} * text.width,
                          out.data() + std::ptrdiff_t{done + i} * text.width, scores.first(token), token + 1};
        }
        ops.attend[static_cast<std::size_t>(cache.type())]({
            .cache = cache.head(1, 1, 1),
            .next = cache.head(1, 1, 0),
            .width = text.width,
            .factor = scores.factor,
            .cap = scores.cap,
            .queries = queries,
            .count = now,
            .scratch = scratch.data(),
        });
    }
    return out;
}

double worst(const Text& text, const std::vector<float>& found, int count, Scores scores) {
    double error = 0;
    for (int i = 0; i < count; ++i) {
        const int token = text.tokens - count + i, first = scores.first(token);
        std::vector<double> mixed(static_cast<std::size_t>(text.width)), weights;
        double total = 0;
        for (int t = first; t <= token; ++t) {
            double score = 0;
            for (int d = 0; d < text.width; ++d)
                score += double{text.queries[static_cast<std::size_t>(token * text.width + d)]} *
                         text.row(text.keys, t, 1)[d];
            weights.push_back(std::exp(scores.of(score)));
            total += weights.back();
        }
        for (int t = first; t <= token; ++t)
            for (int d = 0; d < text.width; ++d)
                mixed[static_cast<std::size_t>(d)] +=
                    weights[static_cast<std::size_t>(t - first)] / total * text.row(text.values, t, 1)[d];
        for (int d = 0; d < text.width; ++d)
            error = std::max(error, std::fabs(mixed[static_cast<std::size_t>(d)] -
                                              found[static_cast<std::size_t>(i * text.width + d)]));
    }
    return error / 2;  // values go up to 2
}

bool same(const std::vector<float>& a, const std::vector<float>& b) {
    return std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

void compare(const Text& text, int count, Scores scores) {
    const FloatOps& oracle = find_isa("scalar").ops;
    for (int kind = 0; kind < cache_types; ++kind) {
        const std::string what = "attention " + std::to_string(kind) + ", width " + std::to_string(text.width) +
                                 ", tokens " + std::to_string(text.tokens) + ", window " +
                                 std::to_string(scores.window) + ", cap " + std::to_string(scores.cap);
        const Cache cache = filled(text, types[kind], oracle);
        const auto right = attend(text, cache, oracle, count, scores, 1);
        add_to_digest(right.data(), right.size());
        check(worst(text, right, count, scores) < errors[kind], what);
        for (const Isa* isa : supported_isas()) {
            const Cache other = filled(text, types[kind], isa->ops);
            for (const int together : {1, 3, 4})
                check(same(attend(text, other, isa->ops, count, scores, together), right),
                      what + " on " + std::string(isa->name));
        }
    }
}

float half_value(std::uint16_t half) {
    const int exponent = half >> 10 & 31, digits = half & 1023;
    const float size = exponent == 0 ? std::ldexp(static_cast<float>(digits), -24)
                                     : std::ldexp(static_cast<float>(1024 + digits), exponent - 25);
    return half & 0x8000 ? -size : size;
}

// Every finite half comes back, and what lies between two goes to the nearer one, or to the even one.
void rounds_half_floats(const Isa& isa) {
    const std::string name(isa.name);
    for (unsigned bits = 0; bits < 0x7c00; ++bits) {
        const auto half = static_cast<std::uint16_t>(bits);
        const float x = half_value(half),
                    next = bits == 0x7bff ? 65536.0f : half_value(static_cast<std::uint16_t>(bits + 1));
        const float between[] = {x, -x, (x + next) / 2, std::nextafterf((x + next) / 2, 0),
                                 std::nextafterf((x + next) / 2, 1e6f)};
        std::uint16_t found[5];
        isa.ops.to_float16(between, found, 5);
        const auto up = static_cast<std::uint16_t>(bits == 0x7bff ? bits : bits + 1), even = bits & 1 ? up : half;
        const bool right =
            found[0] == half && found[1] == (half | 0x8000) && found[2] == even && found[3] == half && found[4] == up;
        if (!right) check(false, "float16 " + std::to_string(bits) + " on " + name);
    }
    const float wild[] = {1e9f,       -std::numeric_limits<float>::infinity(), std::nanf(""), 0x1.01p0f, 0x1.03p0f,
                          0x1.0101p0f};
    std::uint16_t found[6];
    isa.ops.to_float16(wild, found, 3);
    check(found[0] == 0x7bff && found[1] == 0xfbff && (found[2] & 0x7fff) == 0x7e00, "wild float16 on " + name);
    isa.ops.to_bfloat16(wild, found, 6);
    check(found[1] == 0xff80 && found[2] == 0x7fc0 && found[3] == 0x3f80 && found[4] == 0x3f82 && found[5] == 0x3f81,
          "bfloat16 on " + name);
}

}  // namespace

void attention() {
    std::mt19937 random(0);
    for (const int width : {1, 6, 16, 20, 64, 96, 131})
        for (const int tokens : {1, 15, 16, 17, 70, 300}) {
            const Text text(width, tokens, random);
            const int count = std::min(tokens, 7);
            const float factor = 1 / std::sqrt(static_cast<float>(width));
            compare(text, count, {0, factor, 0});
            if (tokens > 1) compare(text, count, {tokens / 2, factor, 0});
            compare(text, count, {0, 2 * factor, 3});
        }
    for (const Isa* isa : supported_isas()) rounds_half_floats(*isa);
}

}  // namespace pentanet::test
