// One stretch of memory for all weights of a model.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "pentanet/buffer.h"

namespace pentanet {

// Whether the system gives huge pages to a program that asks for them. Without them, weights are read as fast where
// they are.
bool huge_pages();

// Hands out memory from large slabs, piece after piece, so that even small matrices are in huge pages and a matrix is
// followed by the one that was opened after it. All of it is given back together. Not for two threads at once.
class Arena {
public:
    explicit Arena(std::size_t slab = std::size_t{64} << 20) : slab_(slab) {}
    Arena(const Arena&) = delete;
    Arena& operator=(const Arena&) = delete;

    // Bytes on a 64-byte boundary, not initialized. What is not touched takes no memory.
    std::uint8_t* take(std::size_t size);

private:
    std::size_t slab_, used_ = 0;
    std::vector<Buffer> slabs_;
};

}  // namespace pentanet
