// The loops over float32: right to rounding on the oracle, and the same bits on every other instruction set.

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <numbers>
#include <random>
#include <vector>

#include "check.h"
#include "pentanet/isa.h"

namespace pentanet::test {
namespace {

// Uniform in [-4, 4]. The distributions of the library are not the same on every machine.
std::vector<float> numbers(std::size_t n, std::mt19937& random) {
    std::vector<float> x(n);
    for (float& v : x) v = static_cast<float>(static_cast<std::int32_t>(random())) * 0x1p-29f;
    return x;
}

bool same(const std::vector<float>& a, const std::vector<float>& b) {
    return std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

struct Results {
    float dot, dot_bfloat16, total, quantize;
    std::vector<float> silu, relu2, gelu, gelu_tanh, alone, capped, rest;
    std::vector<std::int8_t> rounded;
    std::int64_t sizes;
};

Results results(const FloatOps& ops, const std::vector<float>& a, const std::vector<float>& b) {
    const auto n = static_cast<std::ptrdiff_t>(a.size());
    std::vector<std::uint16_t> half_floats(a.size());
    for (std::size_t i = 0; i < a.size(); ++i) {
        std::uint32_t bits;
        std::memcpy(&bits, &a[i], sizeof bits);
        half_floats[i] = static_cast<std::uint16_t>(bits >> 16);
    }
    Results r{};
    r.dot = ops.dot(a.data(), b.data(), n);
    r.dot_bfloat16 = ops.dot_bfloat16(half_floats.data(), b.data(), n);
    r.total = ops.total(a.data(), n);
    r.silu = r.relu2 = r.gelu = r.gelu_tanh = r.alone = r.capped = a;
    ops.silu(r.silu.data(), b.data(), n);
    ops.relu2(r.relu2.data(), b.data(), n);
    ops.gelu(r.gelu.data(), b.data(), n);
    ops.gelu_tanh(r.gelu_tanh.data(), b.data(), n);
    ops.gelu(r.alone.data(), nullptr, n);
    ops.cap(r.capped.data(), 1.5f, n);
    r.rounded.resize(a.size());
    r.quantize = ops.quantize(a.data(), r.rounded.data(), n);
    r.rest.resize(a.size());
    ops.rest(a.data(), r.rounded.data(), r.quantize, r.rest.data(), n);
    r.sizes = ops.sum_of_sizes(r.rounded.data(), n);
    return r;
}

void remember(const Results& r) {
    const float sums[] = {r.dot, r.dot_bfloat16, r.total, r.quantize};
    add_to_digest(sums, 4);
    for (const auto* values : {&r.silu, &r.relu2, &r.gelu, &r.gelu_tanh, &r.alone, &r.capped, &r.rest})
        add_to_digest(values->data(), values->size());
    add_to_digest(r.rounded.data(), r.rounded.size());
}

void oracle(const FloatOps& ops, const std::vector<float>& a, const std::vector<float>& b) {
    const Results r = results(ops, a, b);
    const std::string size = std::to_string(a.size());
    double dot = 0, norm = 0, total = 0, sizes = 0;
    float largest = 0;
    std::int64_t magnitudes = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
        dot += double{a[i]} * b[i];
        norm += std::fabs(double{a[i]} * b[i]);
        total += a[i];
        sizes += std::fabs(a[i]);
        largest = std::max(largest, std::fabs(a[i]));
    }
    check(std::fabs(r.dot - dot) <= 1e-6 * norm, "dot " + size);
    check(std::fabs(r.dot_bfloat16 - dot) <= 0.01 * norm, "dot of bfloat16 " + size);
    for (std::size_t i = 0; i < a.size(); ++i) {
        const double x = a[i], s = x / (1 + std::exp(-x)) * b[i], g = x * 0.5 * (1 + std::erf(x * std::sqrt(0.5)));
        check(std::fabs(r.silu[i] - s) <= 5e-7 * std::fabs(s), "silu " + std::to_string(x));
        check(r.relu2[i] == (a[i] > 0 ? a[i] * a[i] : 0) * b[i], "relu2 " + std::to_string(x));
        check(std::fabs(r.alone[i] - g) <= 1.5e-7 * std::fabs(x), "gelu " + std::to_string(x));
        check(r.gelu[i] == r.alone[i] * b[i], "gelu times " + std::to_string(x));
        const double t = x * 0.5 * (1 + std::tanh(std::sqrt(2 / std::numbers::pi) * (x + 0.044715 * x * x * x))) * b[i];
        check(std::fabs(r.gelu_tanh[i] - t) <= 1e-6 * std::fabs(x * b[i]), "gelu with tanh " + std::to_string(x));
        const double c = 1.5 * std::tanh(x / 1.5);
        check(std::fabs(r.capped[i] - c) <= 3e-7 * std::fabs(c), "cap " + std::to_string(x));
        check(r.rounded[i] == std::nearbyint(a[i] / (largest / 127.0f)), "quantize " + std::to_string(a[i]));
        const float levels = static_cast<float>(r.rounded[i]) * r.quantize;
        check(r.rest[i] == a[i] - levels, "rest " + std::to_string(a[i]));
        magnitudes += std::abs(r.rounded[i]);
    }
    check(std::fabs(r.total - total) <= 1e-6 * sizes, "total " + size);
    check(r.quantize == largest / 127.0f, "scale " + size);
    check(r.sizes == magnitudes, "sizes " + size);
}

void edges(const FloatOps& ops, const std::string& name) {
    const float inf = std::numeric_limits<float>::infinity();
    std::int8_t q[5];
    const float zeros[5] = {}, tiny[5] = {1e-45f, 0, 0, 0, 0};
    check(ops.quantize(zeros, q, 5) == 0 && q[0] == 0, name + " zeros");
    check(ops.quantize(tiny, q, 5) == 0 && q[0] == 0, name + " too small");
    const float ties[5] = {127, 0.5f, 1.5f, -2.5f, -127};  // scale 1
    check(ops.quantize(ties, q, 5) == 1 && q[0] == 127 && q[1] == 0 && q[2] == 2 && q[3] == -2 && q[4] == -127,
          name + " ties");
    std::vector<std::int8_t> codes(19);
    for (const float wild : {inf, -inf, std::nanf(""), -std::nanf("")})
        for (std::size_t at = 0; at < codes.size(); ++at) {
            std::vector<float> ones(codes.size(), 1.0f);
            ones[at] = wild;
            check(std::isnan(ops.quantize(ones.data(), codes.data(), 19)), name + " NaN or infinity is not lost");
        }
    float x[9] = {-1000, -88, -87, -20, 0, 20, 87, 88, 1000};
    ops.silu(x, nullptr, 9);
    check(x[0] <= 0 && x[0] > -1e-30f && x[4] == 0 && x[8] == 1000, name + " silu far out");
    float y[5] = {-1e6f, -100, 0, 100, 1e6f};
    ops.gelu_tanh(y, nullptr, 5);
    check(y[0] <= 0 && y[0] > -1e-30f && y[1] <= 0 && y[1] > -1e-30f && y[2] == 0 && y[3] == 100 && y[4] == 1e6f,
          name + " gelu with tanh far out");
    float capped[7] = {-inf, -1e6f, -0.0f, 1e-30f, 1e6f, inf, std::nanf("")};
    ops.cap(capped, 30, 7);
    check(capped[0] == -30 && capped[1] == -30 && capped[2] == 0 && capped[3] == 1e-30f && capped[4] == 30 &&
              capped[5] == 30 && std::isnan(capped[6]),
          name + " cap far out");
    float far[7] = {-inf, -1000, -6, 6, 1000, 0, -0.0f};
    ops.gelu(far, nullptr, 7);
    check(far[1] == 0 && far[3] == 6 && far[4] == 1000 && far[5] == 0 && far[6] == 0, name + " gelu far out");
}

}  // namespace

void floats() {
    std::mt19937 random(0);
    for (const std::size_t n : {1, 2, 7, 8, 9, 15, 16, 17, 24, 31, 64, 100, 513}) {
        const auto a = numbers(n, random), b = numbers(n, random);
        oracle(find_isa("scalar").ops, a, b);
        const Results right = results(find_isa("scalar").ops, a, b);
        remember(right);
        for (const Isa* isa : supported_isas()) {
            const Results r = results(isa->ops, a, b);
            check(r.dot == right.dot && r.dot_bfloat16 == right.dot_bfloat16 && r.total == right.total &&
                      r.quantize == right.quantize && same(r.silu, right.silu) && same(r.relu2, right.relu2) &&
                      same(r.gelu, right.gelu) && same(r.gelu_tanh, right.gelu_tanh) && same(r.alone, right.alone) &&
                      same(r.capped, right.capped) && same(r.rest, right.rest) && r.rounded == right.rounded &&
                      r.sizes == right.sizes,
                  "same bits on " + std::string(isa->name) + " " + std::to_string(n));
        }
    }
    for (const Isa* isa : supported_isas()) edges(isa->ops, std::string(isa->name));
}

}  // namespace pentanet::test
