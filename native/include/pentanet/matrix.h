// Weight matrices [rows, cols]: outputs and inputs of a linear.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <variant>
#include <vector>

#include "pentanet/arena.h"
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

// The parts of a coded matrix as the file has them. Borrowed: codes and bias must outlive the matrix.
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
    // Throws std::invalid_argument for sizes that do not fit each other, and for bytes that no encoder writes. The
    // threads of the pool share the work: looking at every byte, and writing it to `arena`, in the layout that the set
    // reads. Each tile is followed by its scales there, so that a product reads one sequential stream. Without `arena`,
    // codes are read where they are, or repacked into an arena of their own.
    CodedMatrix(const Codes& codes, const Isa& isa, Pool& pool, std::shared_ptr<Arena> arena = nullptr);

    int rows() const { return codes_.rows; }
    int cols() const { return codes_.cols; }
    Levels levels() const { return levels_; }
    Layout layout() const { return codes_.layout; }  // in memory
    bool repacked() const { return kernels_.repack != nullptr; }
    const Isa& isa() const { return *isa_; }
    const Kernels& kernels() const { return kernels_; }
    const std::vector<Slice>& slices() const { return slices_; }
    std::size_t tiles() const { return tiles_of(codes_.rows); }
    const std::uint8_t* group(std::size_t tile, int index) const;                         // see Kernels::strip
    std::ptrdiff_t tile_step() const { return static_cast<std::ptrdiff_t>(tile_step_); }  // without strips
    // Of codes in memory, scales and bias.
    std::size_t nbytes() const {
        return packed_size(codes_.layout, codes_.rows, codes_.cols) + codes_.scales.size_bytes() +
               codes_.bias.size_bytes();
    }

    // Scales of the 16 rows of a tile for a slice.
    const float* scales(std::size_t tile, std::size_t slice) const {
        return scales_ + tile * scale_step_ + slice * tile_rows;
    }
    std::ptrdiff_t scale_step() const { return static_cast<std::ptrdiff_t>(scale_step_); }  // from one tile to the next
    std::span<const float> bias() const { return codes_.bias; }

    // Weights of one row, [cols]: one float32 product each.
    void row(int index, float* out) const;

private:
    void validate_and_store(Pool& pool);
    std::size_t place(std::size_t tile, int group) const;
    void store_strips(const std::uint8_t* source, std::size_t tile, std::uint8_t* stored) const;
    void copy_scales(std::size_t tile, float* out) const;

    Codes codes_;
    Levels levels_;  // of the digits in memory
    const Isa* isa_;
    Kernels kernels_;
    std::shared_ptr<Arena> arena_;
    std::vector<Slice> slices_;
    std::vector<float> own_scales_;  // where they do not follow the tiles in memory
    const std::uint8_t* tiles_;
    const float* scales_;
    std::size_t tile_step_, scale_step_;  // from one tile to the next, in bytes; in floats
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
