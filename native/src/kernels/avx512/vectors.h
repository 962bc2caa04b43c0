// What the kernels for AVX-512 share. Internal linkage, as in float_ops.h.
#pragma once

#include <cstdint>
#include <cstring>

#include "kernels/intrinsics.h"
#include "kernels/unroll.h"
#include "pentanet/decode.h"
#include "pentanet/isa.h"

namespace pentanet {
namespace {

using Vector = __m512i;

constexpr int prefetch_ahead = 4096;  // bytes; 2 and 8 KiB are slower, and so are farther caches than the first
constexpr int probe_ahead = 8192;     // for a loop that does nothing else
constexpr int unpack_ahead = 2048;    // nearer: between two panels the processor has other things to read
constexpr int most_sums = 16;         // registers for the sums of a fused product; the others hold tables and digits
constexpr int enough_sums = 12;       // that do not wait for each other: two products a cycle, each takes up to five

inline Vector load(const void* p) { return _mm512_loadu_si512(p); }
inline void store(void* p, Vector v) { _mm512_storeu_si512(p, v); }
inline Vector bytes(int value) { return _mm512_set1_epi8(static_cast<char>(value)); }

// Asks for the line that comes `prefetch_ahead` bytes later. Products whose arithmetic is far faster than memory
// (bytes, nibbles) must not leave out those of the last groups of a tile; others are no faster with them.
inline void prefetch(const std::uint8_t* p) {
    _mm_prefetch(reinterpret_cast<const char*>(p) + prefetch_ahead, _MM_HINT_T0);
}

inline Vector broadcast(const std::int8_t* four) {
    std::int32_t word;
    std::memcpy(&word, four, sizeof word);
    return _mm512_set1_epi32(word);
}

}  // namespace
}  // namespace pentanet
