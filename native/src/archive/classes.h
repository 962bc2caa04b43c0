// Which class an integer is in: how large the integers of its row and of its column have been so far.
//
// Weights of an input that matters less are smaller all the way down, and so it is with rows where they share a scale.
// What is expected of |level| is the mean of its column times the ratio of this row to its expectation; the class is
// that in eighths of the mean over all columns.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "pentanet/archive.h"

namespace pentanet::archive {

class Estimator {
public:
    static constexpr int classes = 32, block = 32;  // a row looks back at what it was every 32 integers

    Estimator(std::size_t cols, Classes use)
        : use_(use), mean_(use.columns ? cols : 0, one), ratio_(mean_), row_(use.columns ? cols : 0) {}

    void begin_row() {
        seen_ = sum_ = 0;
        factor_ = one;
        if (!use_.columns) return;
        std::uint64_t total = 0;
        for (const std::uint32_t mean : mean_) total += mean;
        average_ = std::max<std::uint64_t>(total / mean_.size(), 1);
        const std::uint64_t inverse = (std::uint64_t{one} << 16) / average_;
        for (std::size_t c = 0; c < mean_.size(); ++c)
            ratio_[c] = static_cast<std::uint32_t>(std::min<std::uint64_t>(mean_[c] * inverse >> 16, 16 * one));
    }

    // The class of each of at most `block` integers from `col` on.
    void of(std::size_t col, std::span<std::uint32_t> found) const {
        for (std::size_t i = 0; i < found.size(); ++i) {
            const std::uint32_t ratio = use_.columns ? ratio_[col + i] : one;
            found[i] = std::min<std::uint32_t>(ratio * factor_ >> 13, classes - 1);
        }
    }

    void saw(std::size_t col, std::span<const std::int64_t> levels) {
        std::uint32_t sum = 0;
        for (std::size_t i = 0; i < levels.size(); ++i) {
            const std::int64_t level = levels[i];
            const auto size = static_cast<std::uint32_t>(std::min<std::int64_t>(level < 0 ? -level : level, 255));
            if (use_.columns) row_[col + i] = size;
            sum += size;
        }
        if (!use_.rows) return;
        sum_ += sum;
        seen_ += levels.size();
        const std::uint64_t expected = use_.columns ? average_ : mean_of_rows_;
        const std::uint64_t found = (sum_ * one + block * expected) / (seen_ + block);
        factor_ = static_cast<std::uint32_t>(std::min<std::uint64_t>(found * one / expected, 16 * one));
    }

    void end_row() {
        ++rows_;
        const std::int64_t rate = 65536 / (std::min<std::int64_t>(rows_, 1000) + 7);
        if (use_.rows && !use_.columns && seen_ != 0) {
            const auto found = static_cast<std::int64_t>(sum_ * one / seen_), before = std::int64_t(mean_of_rows_);
            mean_of_rows_ =
                static_cast<std::uint64_t>(std::max<std::int64_t>(before + ((found - before) * rate >> 16), 1));
        }
        for (std::size_t c = 0; c < row_.size(); ++c) {
            const std::int64_t before = mean_[c], found = std::int64_t{one} * row_[c];
            mean_[c] = static_cast<std::uint32_t>(before + ((found - before) * rate >> 16));
        }
    }

private:
    static constexpr std::uint32_t one = 256;

    Classes use_;
    std::vector<std::uint32_t> mean_, ratio_, row_;  // of each column, 256 times: mean of |level|, this / average
    std::uint64_t average_ = one, mean_of_rows_ = one, sum_ = 0, seen_ = 0;
    std::uint32_t factor_ = one;
    std::int64_t rows_ = 0;
};

}  // namespace pentanet::archive
