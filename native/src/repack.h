// From the layout on disk to the one that a narrower machine reads.
#pragma once

#include <cstdint>
#include <vector>

#include "pentanet/matrix.h"

namespace pentanet {

// The bytes of the same levels in layout `to`. Throws std::invalid_argument for codes that no encoder writes.
std::vector<std::uint8_t> repack(const Codes& codes, Layout to);

}  // namespace pentanet
