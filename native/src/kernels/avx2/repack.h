// The two ways of repack.h in vectors, so that a model opens at the speed of memory.
#pragma once

#include <cstdint>

namespace pentanet {

void avx2_repack_pentanary(const std::uint8_t* tile, int cols, std::uint8_t* out);
void avx2_repack_ternary(const std::uint8_t* tile, int cols, std::uint8_t* out);

}  // namespace pentanet
