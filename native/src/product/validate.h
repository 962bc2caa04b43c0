// Whether packed bytes are those that an encoder writes: docs/format.md, "Layouts".
#pragma once

#include <cstddef>

#include "pentanet/matrix.h"

namespace pentanet {

// The lanes and the padding of one tile. `codes` has sizes that fit each other.
bool valid_tile(const Codes& codes, std::size_t tile);

// The zeros behind the last group.
bool valid_tail(const Codes& codes);

}  // namespace pentanet
