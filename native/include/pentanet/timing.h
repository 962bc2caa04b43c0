// What kernels and models need in time, beside what the machine can do at most: the measurements of `pentanet speed`.
//
// Machines are shared and their clocks move, so a limit holds only for the moment in which it was measured. Each round
// here measures the limit and then the work, and callers compare within rounds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "pentanet/buffer.h"
#include "pentanet/session.h"

namespace pentanet {

class Timing {
public:
    // Reading is measured on a buffer of `bytes`, which should be many times larger than the caches.
    Timing(const Isa& isa, int threads, std::size_t bytes);

    const Isa& isa() const { return *isa_; }
    int threads() const { return pool_.threads(); }

    // One number per round. Seconds are wall-clock time.
    struct Products {
        std::vector<double> limit;    // bytes per second for `read`, else operations (two per multiply-add) per second
        std::vector<double> seconds;  // of one product with each of the matrices
    };
    // Multiplies each matrix with `tokens` tokens, rounding them to int8 first, against reading (`read`) or
    // multiplying.
    Products products(std::span<const CodedMatrix* const> matrices, int tokens, bool read, double seconds);

    struct Decoding {
        std::vector<double> read;     // bytes per second
        std::vector<double> seconds;  // of one token, greedily chosen
        std::vector<double> linears;  // of the products with all matrices of the model alone
    };
    // Writes `tokens` tokens a round after a text of `past` tokens. Throws std::invalid_argument where they do not fit.
    Decoding decode(Session& session, int past, int tokens, double seconds);

    struct Prompt {
        std::vector<double> multiply;  // operations per second
        std::vector<double> seconds;   // of `tokens` tokens at once
    };
    Prompt prompt(Session& session, int tokens, double seconds);

private:
    double read();
    double multiply();

    const Isa* isa_;
    Pool pool_;
    Buffer buffer_;
    std::int64_t probe_rounds_ = 1;
};

}  // namespace pentanet
