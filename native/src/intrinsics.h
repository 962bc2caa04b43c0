// The intrinsics of x86, or with -DPENTANET_EMULATE functions of the same names that compute the same on any machine
// (SIMDe), so that the tests can run the kernels of a set that the machine lacks.
#pragma once

#if defined(PENTANET_EMULATE)

#define SIMDE_ENABLE_NATIVE_ALIASES
#define SIMDE_NO_INLINE  // thousands of uses would take minutes to compile
#include <simde/x86/avx2.h>
#include <simde/x86/avx512.h>

#include <cstdint>
#include <cstring>

// What SIMDe 0.7 lacks.
#if !defined(_mm256_dpbusd_avx_epi32)
#define _mm256_dpbusd_avx_epi32(sums, a, b) simde_mm256_dpbusd_epi32(sums, a, b)
#endif
#if !defined(_mm512_srai_epi32)
static inline simde__m512i pentanet_srai_epi32(simde__m512i v, unsigned bits) {
    std::int32_t words[16];
    simde_mm512_storeu_si512(words, v);
    for (std::int32_t& word : words) word >>= bits;
    return simde_mm512_loadu_si512(words);
}
#define _mm512_srai_epi32(v, bits) pentanet_srai_epi32(v, bits)
#endif
#if !defined(_mm512_maskz_loadu_epi64)
static inline simde__m512i pentanet_maskz_loadu_epi64(unsigned mask, const void* p) {
    std::uint64_t words[8] = {};
    for (unsigned i = 0; i < 8; ++i)
        if (mask >> i & 1) std::memcpy(words + i, static_cast<const char*>(p) + 8 * i, 8);
    return simde_mm512_loadu_si512(words);
}
#define _mm512_maskz_loadu_epi64(mask, p) pentanet_maskz_loadu_epi64(mask, p)
#endif

// One that it gets wrong: it asks whether either half is zero, not both.
#undef _mm256_testz_si256
static inline int pentanet_testz_si256(simde__m256i a, simde__m256i b) {
    std::uint64_t words[4], any = 0;
    simde_mm256_storeu_si256(reinterpret_cast<simde__m256i*>(words), simde_mm256_and_si256(a, b));
    for (const std::uint64_t word : words) any |= word;
    return any == 0;
}
#define _mm256_testz_si256(a, b) pentanet_testz_si256(a, b)

#define PENTANET_KEEP(vector) static_cast<void>(vector)

#else

#include <immintrin.h>

// The vector is in a register here, and code is not moved across.
#define PENTANET_KEEP(vector) asm volatile("" : "+v"(vector))

#endif
