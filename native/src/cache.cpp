#include "pentanet/cache.h"

#include <algorithm>
#include <cstring>

namespace pentanet {
namespace {

constexpr std::size_t line = 64;

std::size_t size_of(CacheType type) {
    switch (type) {
        case CacheType::float32: return 4;
        case CacheType::int8: return 1;
        default: return 2;
    }
}

std::size_t whole_lines(std::size_t bytes) { return (bytes + line - 1) / line * line; }

// Writes numbers to places that are `stride` apart.
template <class T>
void scatter(const T* from, int count, std::uint8_t* to, int stride) {
    for (int i = 0; i < count; ++i) std::memcpy(to + std::ptrdiff_t{i} * stride * static_cast<int>(sizeof(T)), from + i, sizeof(T));
}

}  // namespace

Cache::Cache(CacheType type, int layers, int sequences, int heads, int width, int context)
    : type_(type), heads_(heads), width_(width) {
    const bool pairs = type == CacheType::int8;
    const auto key_width = static_cast<std::size_t>(pairs ? (width + 1) / 2 * 2 : width);
    key_bytes_ = whole_lines(block_tokens * key_width * size_of(type));
    value_bytes_ = whole_lines(block_tokens * static_cast<std::size_t>(padded_width(width)) * size_of(type));
    const std::size_t scales = pairs ? 2 * block_tokens * sizeof(float) : 0;
    block_bytes_ = static_cast<std::size_t>(heads) * (key_bytes_ + value_bytes_ + scales);
    sequence_bytes_ = static_cast<std::size_t>((context + block_tokens - 1) / block_tokens) * block_bytes_;
    for (int i = 0; i < layers; ++i) layers_.emplace_back(static_cast<std::size_t>(sequences) * sequence_bytes_);
}

std::size_t Cache::bytes_per_token() const { return layers_.size() * block_bytes_ / block_tokens; }

std::uint8_t* Cache::block(int layer, int sequence, int position) const {
    return layers_[static_cast<std::size_t>(layer)].data() + static_cast<std::size_t>(sequence) * sequence_bytes_ +
           static_cast<std::size_t>(position / block_tokens) * block_bytes_;
}

HeadCache Cache::head(int layer, int sequence, int head) const {
    const std::uint8_t* start = block(layer, sequence, 0);
    const auto at = static_cast<std::size_t>(head), all = static_cast<std::size_t>(heads_);
    const std::uint8_t* values = start + all * key_bytes_;
    const auto* scales = reinterpret_cast<const float*>(values + all * value_bytes_);
    const auto stride = static_cast<std::ptrdiff_t>(block_bytes_);
    return {start + at * key_bytes_,
            values + at * value_bytes_,
            scales + at * block_tokens,
            scales + (all + at) * block_tokens,
            stride,
            stride,
            stride / static_cast<std::ptrdiff_t>(sizeof(float))};
}

void Cache::start_block(int layer, int sequence, int position) {
    if (position % block_tokens == 0) std::memset(block(layer, sequence, position), 0, block_bytes_);
}

void Cache::put(int layer, int sequence, int position, const float* keys, const float* values, const FloatOps& ops) {
    std::uint8_t* start = block(layer, sequence, position);
    const auto all = static_cast<std::size_t>(heads_);
    const int place = position % block_tokens, padded = padded_width(width_);
    std::uint8_t* to_values = start + all * key_bytes_;
    auto* scales = reinterpret_cast<float*>(to_values + all * value_bytes_);
    std::vector<std::uint16_t> halves(static_cast<std::size_t>(width_));
    std::vector<std::int8_t> bytes(static_cast<std::size_t>(width_ + 1));
    for (int h = 0; h < heads_; ++h, keys += width_, values += width_, start += key_bytes_, to_values += value_bytes_) {
        if (type_ == CacheType::float32) {
            scatter(keys, width_, start + place * 4, block_tokens);
            std::memcpy(to_values + std::ptrdiff_t{place} * padded * 4, values, static_cast<std::size_t>(width_) * 4);
        } else if (type_ == CacheType::int8) {
            scales[h * block_tokens + place] = ops.quantize(keys, bytes.data(), width_);
            bytes.back() = 0;
            for (int d = 0; d < width_; d += 2)
                std::memcpy(start + std::ptrdiff_t{d} * block_tokens + 2 * place, bytes.data() + d, d + 1 < width_ ? 2 : 1);
            scales[(heads_ + h) * block_tokens + place] = ops.quantize(values, bytes.data(), width_);
            scatter(bytes.data(), width_, to_values + std::ptrdiff_t{place / 2} * padded * 2 + place % 2, 2);
        } else {
            const auto round = type_ == CacheType::float16 ? ops.to_float16 : ops.to_bfloat16;
            round(keys, halves.data(), width_);
            scatter(halves.data(), width_, start + place * 2, block_tokens);
            round(values, halves.data(), width_);
            std::memcpy(to_values + std::ptrdiff_t{place} * padded * 2, halves.data(), static_cast<std::size_t>(width_) * 2);
        }
    }
}

}  // namespace pentanet
