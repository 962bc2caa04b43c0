// cap * tanh(x / cap), for vectors of any width: the same bits for the same number. Internal linkage, as in
// float_ops.h.
#pragma once

#include "kernels/exponential.h"

namespace pentanet {
namespace {

// To 2e-7 of its value: up to 0.65 u times a polynomial of u^2, fitted in double precision, and above it
// 1 - 2 / (e^2u + 1). NaN stays NaN.
template <class Floats, class Ints>
[[gnu::always_inline]] inline Floats soft_cap(const Floats& x, float cap) {
    const Floats u = x / cap, size = u < 0.0f ? -u : u, square = u * u;
    Floats p = Floats{} - 5.473604891e-03f;
    p = p * square + 2.042085305e-02f;
    p = p * square - 5.366738513e-02f;
    p = p * square + 1.333044767e-01f;
    p = p * square - 3.333323002e-01f;
    p = p * square + 1.0f;
    const Floats large = 1.0f - 2.0f / (exponential<Floats, Ints>(size + size) + 1.0f);
    const Floats tanh = size < 0.65f ? u * p : u < 0.0f ? -large : large;
    return x == x ? tanh * cap : x;
}

}  // namespace
}  // namespace pentanet
