// The probes do what they say, on every instruction set; and the timing of products has a number for each round.

#include "pentanet/timing.h"

#include <cmath>
#include <vector>

#include "check.h"

namespace pentanet::test {
namespace {

// The xor of all words changes with every byte, wherever it stands: none is left out.
void reads_everything(const Isa& isa) {
    std::vector<std::uint8_t> bytes(8 * probe_block, 0);
    const std::uint64_t before = isa.probes.read(bytes.data(), bytes.size());
    bool noticed = true;
    for (std::uint8_t& byte : bytes) {
        byte = 1;
        noticed &= isa.probes.read(bytes.data(), bytes.size()) != before;
        byte = 0;
    }
    check(noticed, std::string(isa.name) + " reads every byte");
}

void counts_products(const Isa& isa) {
    const std::int64_t one = isa.probes.multiply(1);
    check(one > 0 && isa.probes.multiply(1000) == 1000 * one, std::string(isa.name) + " counts its products");
}

void times_products(const Isa& isa) {
    const std::vector<std::uint8_t> bytes(packed_size(Layout::byte, 32, 64), 1);
    const std::vector<float> scales(1, 1.0f);
    Pool one(1);
    const CodedMatrix matrix({Layout::byte, {0, 1, 2}, 32, 64, bytes, scales, 1, 1}, isa, one);
    const CodedMatrix* const matrices[] = {&matrix, &matrix};
    Timing timing(isa, 2, 1 << 20);
    for (const bool read : {true, false}) {
        const auto found = timing.products(matrices, 3, read, 1e-3);
        bool positive = found.limit.size() == found.seconds.size() && found.limit.size() >= 3;
        for (const auto* series : {&found.limit, &found.seconds})
            for (const double value : *series) positive &= value > 0 && std::isfinite(value);
        check(positive, std::string(isa.name) + " times products");
    }
}

}  // namespace

void timing() {
    for (const Isa* isa : supported_isas()) {
        reads_everything(*isa);
        counts_products(*isa);
        times_products(*isa);
    }
}

}  // namespace pentanet::test
