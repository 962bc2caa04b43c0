// AVX-VNNI, the vpdpbusd of machines without AVX-512: it adds four products to a sum of 32 bits, so nothing is widened.
// Five trits to a byte could be read in place as avx512 does, but in half as wide vectors that costs more than the
// 2-bit fields that they are repacked to.
//
// With PENTANET_VNNI_EVEX, for tests, the instruction has the encoding that AVX-512 gives it.

#include "kernels/avx2/kernels.h"

namespace pentanet {
namespace {

struct Wide {
    static constexpr bool signed_levels = false;

    static constexpr int room(int) { return INT32_MAX; }

    static void add(Vector& sums, Vector digits, Vector activations) {
#if defined(PENTANET_VNNI_EVEX)
        sums = _mm256_dpbusd_epi32(sums, digits, activations);
#else
        sums = _mm256_dpbusd_avx_epi32(sums, digits, activations);
#endif
    }

    static Vector widen(Vector sums) { return sums; }
};

bool supported() {
#if defined(PENTANET_VNNI_EVEX)
    return __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni");
#else
    // __builtin_cpu_supports knows "avxvnni" only in the newest compilers.
    unsigned eax = 0, ebx, ecx, edx;
    return has_avx2_and_f16c() && __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) && (eax >> 4 & 1) != 0;
#endif
}

}  // namespace

extern const Isa avx_vnni_isa;
const Isa avx_vnni_isa{
    .name = "avx-vnni",
    .supported = supported,
    .kernels = kernels<Wide>,
    .panel_tiles = 1,
    .panel_dot = panel_dot<Wide>,
    .scale_sums = scale_sums,
    .ops = floats::all,
    .probes = {.read = read, .multiply = multiply<Wide>},
};

}  // namespace pentanet
