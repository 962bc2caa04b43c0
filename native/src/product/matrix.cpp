#include "pentanet/matrix.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstring>
#include <stdexcept>
#include <string>
#include <utility>

#include "pentanet/decode.h"
#include "product/validate.h"

namespace pentanet {
namespace {

void require(bool holds, const char* rule) {
    if (!holds) throw std::invalid_argument(rule);
}

// How few and how many levels the grids of a layout have.
std::pair<int, int> grid_sizes(Layout layout) {
    switch (layout) {
        case Layout::nibble: return {2, 16};
        case Layout::byte: return {2, 256};
        case Layout::binary_1bit: return {2, 2};
        case Layout::pentanary_7bit:
        case Layout::pentanary_nibbles:
        case Layout::pentanary_planes: return {5, 5};
        default: return {3, 3};
    }
}

void check(const Codes& codes) {
    require(codes.rows > 0 && codes.cols > 0, "a matrix has at least one row and one column");
    require(codes.cols <= max_cols, "more than 65536 inputs: their sum may not fit 32 bits");
    require(codes.bytes.size() == packed_size(codes.layout, codes.rows, codes.cols),
            "codes of another size than the shape");
    require(codes.scale_rows == 1 || codes.scale_rows == codes.rows,
            "scales have one row, or one for each of the matrix");
    require(codes.scale_groups > 0 && codes.cols % codes.scale_groups == 0, "scale groups do not divide the inputs");
    require(codes.scale_rows == codes.rows || codes.scale_groups == 1, "scales of groups come by row");
    require(codes.scales.size() ==
                static_cast<std::size_t>(codes.scale_rows) * static_cast<std::size_t>(codes.scale_groups),
            "scales of another size than their shape");
    require(codes.bias.empty() || codes.bias.size() == static_cast<std::size_t>(codes.rows),
            "a bias has one value for each row");
    const auto [lowest, spacing, size] = codes.grid;
    require(spacing >= 1 && spacing <= 2 && size >= 2 && size <= 256 && lowest >= -128 && lowest <= 127 &&
                lowest + spacing * (size - 1) <= 127,
            "levels that no grid has");
    const auto [smallest, largest] = grid_sizes(codes.layout);
    require(size >= smallest && size <= largest, "a grid of more or fewer levels than the layout holds");
    require(codes.layout != Layout::sparse_ternary_5bit || codes.cols % quad == 0, "sparse inputs come in fours");
}

std::vector<Slice> slices_of(const Codes& codes) {
    const int inputs = geometry(codes.layout).inputs(), size = codes.cols / codes.scale_groups;
    std::vector<Slice> slices;
    for (int begin = 0; begin < codes.cols; begin += size) {
        const int first = begin / inputs;
        slices.push_back({begin, begin + size, first, (begin + size + inputs - 1) / inputs - first});
    }
    return slices;
}

}  // namespace

CodedMatrix::CodedMatrix(const Codes& codes, const Isa& isa, Pool& pool, std::shared_ptr<Arena> arena)
    : codes_(codes), levels_{0, 1}, isa_(&isa), arena_(std::move(arena)) {
    check(codes);
    kernels_ = isa.kernels(codes.layout, codes.cols, codes.scale_groups);
    if (!geometry(codes.layout).is_signed()) levels_ = {codes.grid.lowest, codes.grid.spacing};
    validate_and_store(pool);
    slices_ = slices_of(codes_);
}

void CodedMatrix::validate_and_store(Pool& pool) {
    const std::size_t from = tile_bytes(codes_.layout, codes_.cols), to = tile_bytes(kernels_.in_memory, codes_.cols);
    const auto groups = static_cast<std::size_t>(codes_.scale_groups);
    const bool in_strips = kernels_.strip != 0, moves = arena_ || kernels_.repack != nullptr;
    const bool shared = codes_.scale_rows == 1 && !in_strips, behind = moves && !shared && !in_strips;
    scale_step_ = shared ? 0 : groups * tile_rows;
    tile_step_ = to;
    tiles_ = codes_.bytes.data();
    std::uint8_t* stored = nullptr;
    if (moves) {
        if (behind)
            scale_step_ = (tile_step_ += scale_step_ * sizeof(float)) / sizeof(float);  // groups have whole words
        const std::size_t held = in_strips ? (tiles() + strip_tiles - 1) / strip_tiles * strip_tiles : tiles();
        const std::size_t size = held * tile_step_ + lanes;  // vectors may be read across the end
        if (!arena_) arena_ = std::make_shared<Arena>(size);
        tiles_ = stored = arena_->take(size);
    }
    if (!behind) own_scales_.resize(std::max(tiles() * scale_step_, std::size_t{tile_rows}));
    const std::size_t scales_at = tile_step_ - groups * tile_rows * sizeof(float);
    scales_ = behind ? reinterpret_cast<const float*>(stored + scales_at) : own_scales_.data();
    std::atomic<bool> valid = valid_tail(codes_);
    pool.run(tiles(), [&](std::size_t begin, std::size_t end) {
        for (std::size_t tile = begin; tile < end; ++tile) {
            if (!valid_tile(codes_, tile)) return valid.store(false, std::memory_order_relaxed);
            const std::uint8_t* source = codes_.bytes.data() + tile * from;  // in the cache by now
            std::uint8_t* const out = stored + tile * tile_step_;
            if (in_strips)
                store_strips(source, tile, stored);
            else if (kernels_.repack != nullptr)
                kernels_.repack(source, codes_.cols, out);
            else if (moves)
                std::memcpy(out, source, from);
            if (!shared)
                copy_scales(
                    tile, behind ? reinterpret_cast<float*>(out + scales_at) : own_scales_.data() + tile * scale_step_);
        }
    });
    if (!valid)
        throw std::invalid_argument("a byte that is not a code of '" + std::string(geometry(codes_.layout).name) +
                                    "'. The file is damaged or was not written by pentanet; pack the model again.");
    if (shared) std::fill_n(own_scales_.data(), tile_rows, codes_.scales[0]);
    codes_.layout = kernels_.in_memory;
}

// Bytes from the first group of the matrix.
std::size_t CodedMatrix::place(std::size_t tile, int group) const {
    const Geometry g = geometry(kernels_.in_memory);
    if (kernels_.strip == 0) return tile * tile_step_ + static_cast<std::size_t>(group * g.group_bytes);
    const int first = group / kernels_.strip * kernels_.strip,
              here = std::min(g.groups(codes_.cols) - first, kernels_.strip);
    const std::size_t blocks = (tiles() + strip_tiles - 1) / strip_tiles;
    return (blocks * static_cast<std::size_t>(first) + tile / strip_tiles * static_cast<std::size_t>(here) +
            static_cast<std::size_t>(group - first)) *
               word_group_bytes +
           tile % strip_tiles * (word_bytes / strip_tiles);
}

const std::uint8_t* CodedMatrix::group(std::size_t tile, int index) const { return tiles_ + place(tile, index); }

void CodedMatrix::store_strips(const std::uint8_t* source, std::size_t tile, std::uint8_t* stored) const {
    const int inputs = kernels_.strip * geometry(kernels_.in_memory).inputs();
    for (int done = 0; done < codes_.cols; done += inputs, source += tile_bytes(codes_.layout, inputs))
        kernels_.repack(source, std::min(codes_.cols - done, inputs),
                        stored + place(tile, done / inputs * kernels_.strip));
}

// Scales [slices, 16 rows] of a tile; 0 for rows that are padding.
void CodedMatrix::copy_scales(std::size_t tile, float* out) const {
    const auto groups = static_cast<std::size_t>(codes_.scale_groups), rows = static_cast<std::size_t>(codes_.rows);
    for (std::size_t slice = 0; slice < groups; ++slice)
        for (std::size_t r = 0; r < tile_rows; ++r) {
            const std::size_t row = tile * tile_rows + r;
            *out++ = row < rows ? codes_.scales[codes_.scale_rows == 1 ? 0 : row * groups + slice] : 0.0f;
        }
}

void CodedMatrix::row(int index, float* out) const {
    const auto place = [&, r = static_cast<std::size_t>(index % tile_rows)](std::size_t input) {
        return kernels_.by_input ? input * tile_rows + r : r * quad + input;
    };
    const float* scale = scales(static_cast<std::size_t>(index / tile_rows), 0) + index % tile_rows;
    const int size = codes_.cols / codes_.scale_groups;
    with_layout(codes_.layout, [&]<Layout L>() {
        constexpr Geometry g = geometry(L);
        for (int input = 0; input < codes_.cols; input += g.inputs()) {
            std::array<std::uint8_t, static_cast<std::size_t>(g.digits) * lanes> digits;
            group_digits<L>(group(static_cast<std::size_t>(index / tile_rows), input / g.inputs()), digits.data());
            for (int col = input; col < std::min(input + g.inputs(), codes_.cols); ++col) {
                const std::size_t in_group = static_cast<std::size_t>(col - input);
                const std::uint8_t value = digits[in_group / quad * lanes + place(in_group % quad)];
                const int level =
                    g.is_signed() ? static_cast<std::int8_t>(value) : levels_.lowest + levels_.spacing * value;
                out[col] = static_cast<float>(level) * scale[col / size * tile_rows];
            }
        }
    });
}

PlainMatrix::PlainMatrix(const void* values, Type type, int rows, int cols, const Isa& isa)
    : values_(values), type_(type), rows_(rows), cols_(cols), isa_(&isa) {
    require(rows > 0 && cols > 0, "a matrix has at least one row and one column");
}

std::size_t PlainMatrix::nbytes() const {
    return static_cast<std::size_t>(rows_) * static_cast<std::size_t>(cols_) * (type_ == Type::float32 ? 4 : 2);
}

float PlainMatrix::dot(int row, const float* x) const {
    const auto start = static_cast<std::ptrdiff_t>(row) * cols_;
    return type_ == Type::float32
               ? isa_->ops.dot(static_cast<const float*>(values_) + start, x, cols_)
               : isa_->ops.dot_bfloat16(static_cast<const std::uint16_t*>(values_) + start, x, cols_);
}

void PlainMatrix::row(int index, float* out) const {
    const auto start = static_cast<std::ptrdiff_t>(index) * cols_;
    if (type_ == Type::float32) {
        std::memcpy(out, static_cast<const float*>(values_) + start, static_cast<std::size_t>(cols_) * sizeof(float));
        return;
    }
    const auto* half_floats = static_cast<const std::uint16_t*>(values_) + start;
    for (int i = 0; i < cols_; ++i) out[i] = std::bit_cast<float>(std::uint32_t{half_floats[i]} << 16);
}

}  // namespace pentanet
