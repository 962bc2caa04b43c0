// A binary arithmetic coder: 64-bit interval, 32-bit words, probabilities of 16 bits that learn from the bits coded.
//
// The interval is [low, low + range) as a fraction of 2^64; a bit takes its share of it. A carry runs into the bytes
// that are written already. Zero bytes at the end are left out, and a decoder reads zeros there.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace pentanet::archive {

// How probable a 1 is, and how sure we are: 22 bits and a count of 10. The n-th bit moves the probability by
// 1 / (n + 1.5) of the way, as an estimator that counts would, and no less than 1 / 1024.
class Adaptive {
public:
    std::uint32_t probability() const { return word_ >> 16 | 1; }  // of 2^16, never 0 or 1

    void learn(bool bit) {
        const std::int64_t p = word_ >> 10, target = -static_cast<std::int64_t>(bit) & ((1 << 22) - 1);
        const std::uint32_t n = word_ & 1023;
        const auto moved = static_cast<std::uint32_t>(p + ((target - p) * rates[n] >> 16));
        word_ = moved << 10 | (n + (n < 1022));
    }

private:
    static constexpr auto rates = [] {
        std::array<std::int64_t, 1024> made{};
        for (std::int64_t n = 0; n < 1024; ++n) made[static_cast<std::size_t>(n)] = (2 << 16) / (2 * n + 3);
        return made;
    }();

    std::uint32_t word_ = 1u << 31;
};

// All ones for a 0, in a form that no compiler makes a jump of: half of all jumps on coded bits are guessed wrong.
inline std::uint64_t mask_of_zero(bool bit) {
    std::uint64_t mask = std::uint64_t{bit} - 1;
    asm("" : "+r"(mask));
    return mask;
}

class RangeEncoder {
public:
    explicit RangeEncoder(std::vector<std::uint8_t>& out) : out_(&out) {}

    void encode(Adaptive& model, bool bit) {
        const std::uint64_t bound = (range_ >> 16) * model.probability();
        const std::uint64_t zero = mask_of_zero(bit);
        const std::uint64_t before = low_;
        low_ += bound & zero;
        range_ = bound + ((range_ - 2 * bound) & zero);
        if (low_ < before) carry();
        model.learn(bit);
        if (range_ >> 32 == 0) {
            for (int shift = 56; shift >= 32; shift -= 8) out_->push_back(static_cast<std::uint8_t>(low_ >> shift));
            low_ <<= 32;
            range_ <<= 32;
        }
    }

    // The shortest bytes that lie in the interval, whatever zeros follow.
    void finish() {
        for (int bits = 64; bits >= 0; bits -= 8) {
            const std::uint64_t mask = bits == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << bits) - 1;
            const std::uint64_t value = (low_ + mask) & ~mask;
            if (value - low_ >= range_) continue;
            if (value < low_) carry();
            for (int shift = 56; shift >= bits; shift -= 8) out_->push_back(static_cast<std::uint8_t>(value >> shift));
            break;
        }
        while (!out_->empty() && out_->back() == 0) out_->pop_back();
    }

private:
    void carry() {
        for (auto byte = out_->rbegin(); ++*byte == 0; ++byte) {
        }
    }

    std::vector<std::uint8_t>* out_;
    std::uint64_t low_ = 0, range_ = ~std::uint64_t{0};
};

class RangeDecoder {
public:
    explicit RangeDecoder(std::span<const std::uint8_t> bytes) : bytes_(bytes) {
        code_ = static_cast<std::uint64_t>(word()) << 32;
        code_ |= word();
    }

    bool decode(Adaptive& model) {
        const std::uint64_t bound = (range_ >> 16) * model.probability();
        const bool bit = code_ < bound;
        const std::uint64_t zero = mask_of_zero(bit);
        code_ -= bound & zero;
        range_ = bound + ((range_ - 2 * bound) & zero);
        model.learn(bit);
        if (range_ >> 32 == 0) {
            code_ = code_ << 32 | word();
            range_ <<= 32;
        }
        return bit;
    }

    // Whether no byte is left that was not looked at.
    bool exhausted() const { return at_ >= bytes_.size(); }

private:
    std::uint32_t word() {
        std::uint32_t found = 0;
        for (int i = 0; i < 4; ++i, ++at_) found = found << 8 | (at_ < bytes_.size() ? bytes_[at_] : 0u);
        return found;
    }

    std::span<const std::uint8_t> bytes_;
    std::size_t at_ = 0;
    std::uint64_t code_ = 0, range_ = ~std::uint64_t{0};
};

}  // namespace pentanet::archive
