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

// What the cache owns: HeadCache is for reading.
std::uint8_t* writable(const std::uint8_t* p) { return const_cast<std::uint8_t*>(p); }

// Writes numbers to places that are `stride` apart.
template <class T>
void scatter(const T* from, int count, std::uint8_t* to, int stride) {
    for (int i = 0; i < count; ++i)
        std::memcpy(to + std::ptrdiff_t{i} * stride * static_cast<int>(sizeof(T)), from + i, sizeof(T));
}

}  // namespace

Cache::Cache(CacheType type, int layers, int sequences, int heads, int width, int context)
    : type_(type), heads_(heads), width_(width) {
    const bool pairs = type == CacheType::int8;
    const auto key_width = static_cast<std::size_t>(pairs ? (width + 1) / 2 * 2 : width);
    key_bytes_ = whole_lines(block_tokens * key_width * size_of(type)) + (pairs ? 2 * HeadCache::scale_bytes : 0);
    value_bytes_ = whole_lines(block_tokens * static_cast<std::size_t>(padded_width(width)) * size_of(type));
    constexpr std::size_t blocks = HeadCache::chunk_blocks;
    head_bytes_ = blocks * (key_bytes_ + value_bytes_);
    const std::size_t chunk_tokens = blocks * block_tokens,
                      chunks = (static_cast<std::size_t>(context) + chunk_tokens - 1) / chunk_tokens;
    sequence_bytes_ = chunks * static_cast<std::size_t>(heads) * head_bytes_;
    for (int i = 0; i < layers; ++i) layers_.emplace_back(static_cast<std::size_t>(sequences) * sequence_bytes_);
}

std::size_t Cache::bytes_per_token() const {
    return layers_.size() * static_cast<std::size_t>(heads_) * head_bytes_ / (HeadCache::chunk_blocks * block_tokens);
}

HeadCache Cache::head(int layer, int sequence, int head) const {
    const std::uint8_t* keys = layers_[static_cast<std::size_t>(layer)].data() +
                               static_cast<std::size_t>(sequence) * sequence_bytes_ +
                               static_cast<std::size_t>(head) * head_bytes_;
    return {
        .keys = keys,
        .values = keys + HeadCache::chunk_blocks * key_bytes_,
        .key_bytes = static_cast<std::ptrdiff_t>(key_bytes_),
        .value_bytes = static_cast<std::ptrdiff_t>(value_bytes_),
        .chunk_bytes = static_cast<std::ptrdiff_t>(static_cast<std::size_t>(heads_) * head_bytes_),
    };
}

void Cache::start_block(int layer, int sequence, int position) {
    if (position % block_tokens != 0) return;
    for (int h = 0; h < heads_; ++h) {
        const HeadCache cache = head(layer, sequence, h);
        const int block = position / block_tokens;
        std::memset(writable(cache.key_block(block)), 0, key_bytes_);
        std::memset(writable(cache.value_block(block)), 0, value_bytes_);
    }
}

void Cache::put(int layer, int sequence, int position, const float* keys, const float* values, const FloatOps& ops) {
    const int place = position % block_tokens, block = position / block_tokens, padded = padded_width(width_);
    std::vector<std::uint16_t> half_floats(static_cast<std::size_t>(width_));
    std::vector<std::int8_t> bytes(static_cast<std::size_t>(width_ + 1));
    const auto scaled = [&](const float* x, const std::uint8_t* scales) {  // rounds to `bytes`
        const float scale = ops.quantize(x, bytes.data(), width_);
        std::memcpy(writable(scales) + std::ptrdiff_t{place} * 4, &scale, sizeof scale);
    };
    for (int h = 0; h < heads_; ++h, keys += width_, values += width_) {
        const HeadCache cache = head(layer, sequence, h);
        std::uint8_t* to_keys = writable(cache.key_block(block));
        std::uint8_t* to_values = writable(cache.value_block(block));
        if (type_ == CacheType::float32) {
            scatter(keys, width_, to_keys + place * 4, block_tokens);
            std::memcpy(to_values + std::ptrdiff_t{place} * padded * 4, values, static_cast<std::size_t>(width_) * 4);
        } else if (type_ == CacheType::int8) {
            scaled(keys, cache.key_scale(block));
            for (int d = 0; d < width_; d += 2)
                std::memcpy(to_keys + std::ptrdiff_t{d} * block_tokens + 2 * place, bytes.data() + d,
                            d + 1 < width_ ? 2 : 1);
            scaled(values, cache.value_scale(block));
            scatter(bytes.data(), width_, to_values + std::ptrdiff_t{place / 2} * padded * 2 + place % 2, 2);
        } else {
            const auto round = type_ == CacheType::float16 ? ops.to_float16 : ops.to_bfloat16;
            round(keys, half_floats.data(), width_);
            scatter(half_floats.data(), width_, to_keys + place * 2, block_tokens);
            round(values, half_floats.data(), width_);
            std::memcpy(to_values + std::ptrdiff_t{place} * padded * 2, half_floats.data(),
                        static_cast<std::size_t>(width_) * 2);
        }
    }
}

}  // namespace pentanet
