// Weight matrices [rows, cols]: outputs and inputs of a linear.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <variant>
#include <vector>

#include "pentanet/buffer.h"
#include "pentanet/isa.h"
#include "pentanet/layout.h"
#include "pentanet/pool.h"

namespace pentanet {

// level = lowest + spacing * digit
struct Levels {
    int lowest;
    int spacing;
};

// The levels that a matrix may have: lowest, lowest + spacing, ...
struct Grid {
    int lowest;
    int spacing;
    int size;
};

// What a coded matrix is made of, as it lies in the file. Borrowed: the bytes must outlive the matrix.
struct Codes {
    Layout layout;
    Grid grid;
    int rows;
    int cols;
    std::span<const std::uint8_t> bytes;  // packed_size(layout, rows, cols)
    std::span<const float> scales;        // [scale_rows, scale_groups]
    int scale_rows;                       // 1 or rows
    int scale_groups;                     // divides cols
    std::span<const float> bias = {};     // [rows], added to the outputs of a linear; or empty
};

// Consecutive inputs that share a scale, and the groups of the layout that hold them.
struct Slice {
    int begin, end;  // inputs
    int first_group, groups;
};

class CodedMatrix {
public:
    // Throws std::invalid_argument for sizes that do not fit each other, and for bytes that no encoder writes. The threads
    // of the pool share the work: looking at every byte, and repacking where the set reads another layout.
    CodedMatrix(const Codes& codes, const Isa& isa, Pool& pool);

    int rows() const { return codes_.rows; }
    int cols() const { return codes_.cols; }
    // What a digit of the kernels means.
    Levels levels() const { return {levels_.lowest - levels_.spacing * kernels_.offset, levels_.spacing}; }
    Layout layout() const { return codes_.layout; }  // in memory
    bool repacked() const { return kernels_.repack != nullptr; }
    const Isa& isa() const { return *isa_; }
    const Kernels& kernels() const { return kernels_; }
    const std::vector<Slice>& slices() const { return slices_; }
    std::size_t tiles() const { return tiles_of(codes_.rows); }
    const std::uint8_t* tile(std::size_t index) const { return codes_.bytes.data() + index * tile_bytes_; }
    std::size_t nbytes() const { return codes_.bytes.size() + codes_.scales.size_bytes() + codes_.bias.size_bytes(); }

    // Distance between the scales of two rows: 0 where all share one.
    std::size_t scale_stride() const {
        return codes_.scale_rows == 1 ? 0 : static_cast<std::size_t>(codes_.scale_groups);
    }
    const float* scales() const { return codes_.scales.data(); }
    std::span<const float> bias() const { return codes_.bias; }

    // Weights of one row, [cols]: one float32 product each.
    void row(int index, float* out) const;

private:
    void validate_and_repack(Pool& pool);

    Codes codes_;
    Levels levels_;  // of the digits in memory, without the offset of the kernels
    Buffer repacked_;
    const Isa* isa_;
    Kernels kernels_;
    std::size_t tile_bytes_;
    std::vector<Slice> slices_;
};

// Values as they are stored, row by row. Borrowed.
class PlainMatrix {
public:
    enum class Type : std::uint8_t { float32, bfloat16 };
    PlainMatrix(const void* values, Type type, int rows, int cols, const Isa& isa);

    int rows() const { return rows_; }
    int cols() const { return cols_; }
    const Isa& isa() const { return *isa_; }
    std::size_t nbytes() const;
    float dot(int row, const float* x) const;
    void row(int index, float* out) const;

private:
    const void* values_;
    Type type_;
    int rows_, cols_;
    const Isa* isa_;
};

using Matrix = std::variant<CodedMatrix, PlainMatrix>;

}  // namespace pentanet
