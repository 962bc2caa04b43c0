// Two instruction sets without multiplication: the integer sums of a product come from additions, subtractions, shifts,
// masks and table look-ups alone. They are chosen by name only. What is rounded to int8 before, and scaled to float32
// after, is multiplied as on every other set; see docs/engine.md.
#pragma once

#include "pentanet/isa.h"

namespace pentanet::shift_add {

const Isa& scalar();  // `shift-add`, for any machine
#if defined(PENTANET_X86)
const Isa& avx2();  // `shift-add-avx2`
#endif

// What is added to a digit or a signed level to have levels about zero, so that sums are small.
template <Layout L>
constexpr int offset = L == Layout::pentanary_nibbles ? -2
                       : L == Layout::ternary_2bit    ? -1
                       : L == Layout::binary_1bit     ? 0
                                                      : -8;

// Of a layout in memory. In files of their own, so that a test can read the instructions of all that they hold.
const Lookups& scalar_lookups(Layout layout);
const Lookups& avx2_lookups(Layout layout);

}  // namespace pentanet::shift_add
