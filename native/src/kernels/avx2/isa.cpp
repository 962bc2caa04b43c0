// AVX2. vpmaddubsw adds two products in 16 bits and would saturate at 32767. It never does here: each kernel knows the
// largest digit of its layout, and widens the 16-bit sums to 32 bits before they could overflow.

#include "kernels/avx2/kernels.h"

namespace pentanet {
namespace {

struct Narrow {
    static constexpr bool signed_levels = true;

    static constexpr int room(int largest) { return 32767 / (2 * 127 * largest); }

    static void add(Vector& sums16, Vector digits, Vector activations) {
        sums16 = _mm256_add_epi16(sums16, _mm256_maddubs_epi16(digits, activations));
    }

    static Vector widen(Vector sums16) { return _mm256_madd_epi16(sums16, _mm256_set1_epi16(1)); }

    // |a| is unsigned up to 128, b takes its sign, and 2 * 128 * 127 < 32768.
    static Vector multiply(Vector a, Vector b) {
        return widen(_mm256_maddubs_epi16(_mm256_abs_epi8(a), _mm256_sign_epi8(b, a)));
    }
};

bool supported() { return has_avx2_and_f16c(); }

}  // namespace

extern const Isa avx2_isa;
const Isa avx2_isa{
    .name = "avx2",
    .supported = supported,
    .kernels = kernels<Narrow>,
    .panel_tiles = 1,
    .panel_dot = panel_dot<Narrow>,
    .scale_sums = scale_sums,
    .ops = floats::all,
    .probes = {.read = read, .multiply = multiply<Narrow>},
};

}  // namespace pentanet
