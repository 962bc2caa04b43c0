#include "product/input_strips.h"

#include <algorithm>

#include "pentanet/decode.h"
#include "pentanet/scratch.h"

namespace pentanet {

void input_strip_sums(const CodedMatrix& matrix, Tokens x, std::size_t first, std::size_t tiles, std::int32_t* sums) {
    const Lookups& lookups = *matrix.kernels().lookups;
    const int strip = matrix.kernels().strip, all = geometry(matrix.layout()).groups(matrix.cols());
    const std::ptrdiff_t inputs = geometry(matrix.layout()).inputs(),
                         stride = std::ptrdiff_t{strip} * lookups.group_bytes;
    // Those of several tokens stay in the second cache while all tokens pass.
    const std::size_t some = x.count == 1 ? tiles : 16 * strip_tiles;
    Scratch<std::uint8_t> tables(static_cast<std::size_t>(x.count * stride));
    std::fill_n(sums, static_cast<std::size_t>(x.count) * tiles * tile_rows, 0);
    for (int group = 0; group < all; group += strip) {
        const int groups = std::min(all - group, strip);
        for (int t = 0; t < x.count; ++t)
            lookups.build(x.values + t * x.stride + group * inputs, groups, tables.data() + t * stride);
        for (std::size_t done = 0; done < tiles; done += some) {
            const int now = static_cast<int>(std::min(tiles - done, some));
            for (int t = 0; t < x.count; ++t) {
                const auto* table = reinterpret_cast<const std::int8_t*>(tables.data() + t * stride);
                lookups.dot({matrix.group(first + done, group), groups * static_cast<std::ptrdiff_t>(word_group_bytes),
                             now, groups},
                            {table, stride, 1}, sums + (static_cast<std::size_t>(t) * tiles + done) * tile_rows);
            }
        }
    }
}

}  // namespace pentanet
