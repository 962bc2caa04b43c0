// Keys and values of the tokens that were seen, of all layers and sequences.
#pragma once

#include <vector>

#include "pentanet/attention.h"
#include "pentanet/buffer.h"
#include "pentanet/isa.h"

namespace pentanet {

class Cache {
public:
    // Takes no memory yet but addresses: pages come as sequences grow.
    Cache(CacheType type, int layers, int sequences, int heads, int width, int context);

    CacheType type() const { return type_; }

    // Stores the token at a position: keys and values [heads, width]. Positions of a sequence must come in order, from
    // 0 or from any that was stored before. Different sequences or positions may be stored by different threads, but of
    // a block of 16 the first position must be stored before the others.
    void put(int layer, int sequence, int position, const float* keys, const float* values, const FloatOps& ops);

    // Zeros the block that begins at this position, if one does.
    void start_block(int layer, int sequence, int position);

    HeadCache head(int layer, int sequence, int head) const;

    // Of a token, in all layers.
    std::size_t bytes_per_token() const;

private:
    CacheType type_;
    int heads_, width_;
    std::size_t key_bytes_, value_bytes_;  // of a head, in a block
    std::size_t head_bytes_;               // in sixteen blocks: all keys, all values
    std::size_t sequence_bytes_;
    std::vector<Buffer> layers_;  // [sequences, chunks of sixteen blocks, heads, head bytes]
};

}  // namespace pentanet
