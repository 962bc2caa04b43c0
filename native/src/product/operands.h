// What the slices of a matrix multiply by.
#pragma once

#include <algorithm>
#include <cstring>
#include <numeric>
#include <utility>
#include <vector>

#include "pentanet/buffer.h"
#include "pentanet/matrix.h"

namespace pentanet {

// The activations of one slice, in groups of the layout and zero outside of the slice, and the constant per token that
// turns a sum of digits into a sum of levels.
struct Operand {
    Tokens tokens;                    // or the tables built from them, for sets that look sums up
    std::vector<std::int32_t> bases;  // sum of level * x = spacing * (sum of digit * x) + base
};

// Whether so many tokens look sums up.
inline bool looks_up(const CodedMatrix& matrix, int tokens) {
    const Kernels& kernels = matrix.kernels();
    return kernels.lookups != nullptr && (tokens <= fused_tokens || kernels.unpack == nullptr);
}

class Operands {
public:
    Operands(const CodedMatrix& matrix, Tokens x, Pool& pool) {
        const int inputs = geometry(matrix.layout()).inputs();
        const int offset = looks_up(matrix, x.count) ? matrix.kernels().lookups->offset : matrix.kernels().offset;
        const std::int32_t of_one = matrix.levels().lowest - matrix.levels().spacing * offset;
        for (const Slice& slice : matrix.slices()) {
            const Tokens tokens = matrix.slices().size() > 1 ? cut(slice, x, inputs) : x;
            std::vector<std::int32_t> bases(static_cast<std::size_t>(x.count));
            for (int t = 0; t < x.count; ++t) {
                const std::int8_t* values = x.values + t * x.stride;
                bases[static_cast<std::size_t>(t)] =
                    of_one * std::accumulate(values + slice.begin, values + slice.end, 0);
            }
            operands_.push_back({tokens, std::move(bases)});
        }
        if (looks_up(matrix, x.count) && matrix.kernels().strip == 0)
            make_tables(*matrix.kernels().lookups, matrix.slices(), inputs, pool);
    }

    const Operand& operator[](std::size_t slice) const { return operands_[slice]; }

private:
    Tokens cut(const Slice& slice, Tokens x, int inputs) {
        const std::ptrdiff_t stride = std::ptrdiff_t{slice.groups} * inputs;
        auto& copy = copies_.emplace_back(static_cast<std::size_t>(stride * x.count));
        for (int t = 0; t < x.count; ++t)
            std::memcpy(copy.data() + t * stride + (slice.begin - slice.first_group * inputs),
                        x.values + t * x.stride + slice.begin, static_cast<std::size_t>(slice.end - slice.begin));
        return {copy.data(), stride, x.count};
    }

    // Replaces the activations of each slice by tables; each thread makes those of some groups.
    void make_tables(const Lookups& lookups, const std::vector<Slice>& slices, int inputs, Pool& pool) {
        std::vector<Tokens> tables;
        std::ptrdiff_t size = 0;
        int most_groups = 0;
        for (std::size_t i = 0; i < slices.size(); ++i) {
            const std::ptrdiff_t stride = std::ptrdiff_t{slices[i].groups} * lookups.group_bytes;
            tables.push_back({nullptr, stride, operands_[i].tokens.count});
            size += stride * tables[i].count;
            most_groups = std::max(most_groups, slices[i].groups);
        }
        tables_ = Buffer(static_cast<std::size_t>(size));
        pool.run(static_cast<std::size_t>(most_groups), [&](std::size_t begin, std::size_t end) {
            std::uint8_t* out = tables_.data();
            for (std::size_t i = 0; i < slices.size(); ++i) {
                const Tokens& x = operands_[i].tokens;
                const int first = std::min(static_cast<int>(begin), slices[i].groups);
                const int last = std::min(static_cast<int>(end), slices[i].groups);
                for (int t = 0; t < x.count; ++t, out += tables[i].stride)
                    lookups.build(x.values + t * x.stride + std::ptrdiff_t{first} * inputs, last - first,
                                  out + std::ptrdiff_t{first} * lookups.group_bytes);
            }
        });
        const std::uint8_t* made = tables_.data();
        for (std::size_t i = 0; i < slices.size(); made += tables[i].stride * tables[i].count, ++i) {
            tables[i].values = reinterpret_cast<const std::int8_t*>(made);
            operands_[i].tokens = tables[i];
        }
    }

    std::vector<Operand> operands_;
    std::vector<std::vector<std::int8_t>> copies_;
    Buffer tables_;
};

}  // namespace pentanet
