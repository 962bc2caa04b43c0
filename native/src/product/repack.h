// From the layout on disk to the one that a narrower machine reads: see Repack in isa.h. For any machine; the oracle of
// the vectorised ones.
#pragma once

#include <cstdint>

namespace pentanet {

void repack_pentanary(const std::uint8_t* tile, int cols, std::uint8_t* out);  // pentanary-7bit to pentanary-nibbles
void repack_ternary(const std::uint8_t* tile, int cols, std::uint8_t* out);    // ternary-5in8 to ternary-2bit
void repack_sparse(const std::uint8_t* tile, int cols, std::uint8_t* out);     // sparse-ternary-5bit to ternary-2bit

}  // namespace pentanet
