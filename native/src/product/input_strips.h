// Products of matrices that are stored in strips of inputs: see Kernels::strip.
#pragma once

#include "pentanet/matrix.h"

namespace pentanet {

// sums[token, tile, 16 rows] = the sum of digit * activation, digits with the offset of the tables, for some tiles from
// `first` on, a multiple of strip_tiles. On the calling thread, which builds all tables that it reads: to fetch those
// of another core takes longer than to make them.
void input_strip_sums(const CodedMatrix& matrix, Tokens x, std::size_t first, std::size_t tiles, std::int32_t* sums);

}  // namespace pentanet
