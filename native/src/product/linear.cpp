#include "pentanet/linear.h"

#include <algorithm>
#include <array>

#include "pentanet/decode.h"
#include "product/input_strips.h"
#include "product/operands.h"

namespace pentanet {
namespace {

// Computes the integer sums of a few neighbouring tiles, slice after slice. Few tokens: decoding is fused with the
// product. Many: the digits of some inputs are unpacked into a panel that stays in the second cache, and all tokens
// pass it.
class TileSums {
public:
    TileSums(const CodedMatrix& matrix, const Operands& operands, int tokens)
        : matrix_(matrix), operands_(operands), shape_(geometry(matrix.layout())), looks_up_(looks_up(matrix, tokens)),
          fused_(tokens <= fused_tokens),
          panel_(fused_ || looks_up_
                     ? 0
                     : static_cast<std::size_t>(groups_at_once() * matrix.isa().panel_tiles * shape_.digits) * lanes),
          sums_(static_cast<std::size_t>(tokens) * at_once(matrix, tokens) * tile_rows), tokens_(tokens) {}

    static std::size_t at_once(const CodedMatrix& matrix, int tokens) {
        return tokens <= fused_tokens && !looks_up(matrix, tokens) ? 1
                                                                   : static_cast<std::size_t>(matrix.isa().panel_tiles);
    }

    void start(std::size_t first_tile, std::size_t tiles) {
        first_tile_ = first_tile;
        tiles_ = static_cast<int>(tiles);
    }

    // Sums of digit * activation, [tokens, tiles, 16].
    const std::int32_t* slice(std::size_t index) {
        const Slice& slice = matrix_.slices()[index];
        const Operand& operand = operands_[index];
        if (looks_up_) {
            std::fill_n(sums_.data(), tokens_ * tiles_ * tile_rows, 0);
            look_up(first_tile_, tiles_, slice.first_group, slice.groups, operand.tokens, sums_.data());
        } else if (fused_) {
            matrix_.kernels().dot(matrix_.group(first_tile_, slice.first_group), slice.groups, operand.tokens,
                                  sums_.data());
        } else {
            through_panel(slice, operand.tokens);
        }
        return sums_.data();
    }

    std::int32_t base(std::size_t slice, std::size_t token) const { return operands_[slice].bases[token]; }

private:
    int groups_at_once() const {
        constexpr int panel_bytes = 128 * 1024;  // a part of the second cache; each byte is used for several tokens
        const int most = std::max(panel_bytes / (lanes * shape_.digits * matrix_.isa().panel_tiles), 1);
        const int all = shape_.groups(matrix_.cols()), panels = (all + most - 1) / most;
        return (all + panels - 1) / panels;
    }

    void look_up(std::size_t tile, int tiles, int first, int groups, Tokens tables, std::int32_t* sums) const {
        matrix_.kernels().lookups->dot({matrix_.group(tile, first), matrix_.tile_step(), tiles, groups}, tables, sums);
    }

    void unpack(std::size_t tile, int first, int count, std::uint8_t* out) const {
        const int strip = matrix_.kernels().strip;
        while (count > 0) {
            const int now = strip == 0 ? count : std::min(count, strip - first % strip);
            matrix_.kernels().unpack(matrix_.group(tile, first), now, out);
            first += now;
            count -= now;
            out += std::ptrdiff_t{now} * shape_.digits * lanes;
        }
    }

    void through_panel(const Slice& slice, Tokens tokens) {
        std::fill_n(sums_.data(), tokens_ * tiles_ * tile_rows, 0);
        for (int done = 0; done < slice.groups; done += groups_at_once()) {
            const int now = std::min(groups_at_once(), slice.groups - done), quads = now * shape_.digits;
            for (int tile = 0; tile < tiles_; ++tile)
                unpack(first_tile_ + static_cast<std::size_t>(tile), slice.first_group + done, now,
                       panel_.data() + std::ptrdiff_t{tile} * quads * lanes);
            matrix_.isa().panel_dot({panel_.data(), tiles_, quads, shape_.largest}, tokens, sums_.data());
            tokens.values += std::ptrdiff_t{quads} * quad;
        }
    }

    const CodedMatrix& matrix_;
    const Operands& operands_;
    Geometry shape_;
    bool looks_up_, fused_;
    std::size_t first_tile_ = 0;
    int tiles_ = 0;
    Scratch<std::uint8_t> panel_;
    Scratch<std::int32_t> sums_;
    int tokens_;
};

// Rows of activations that are multiplied in one pass over the matrix.
struct Pass {
    std::size_t first, count;
};

// Scales of the rows of a few tiles for one slice; those of one tile are not copied.
class TileScales {
public:
    TileScales(const CodedMatrix& matrix, std::size_t first, std::size_t tiles, std::size_t slice)
        : scales_(matrix.scales(first, slice)) {
        if (tiles == 1) return;
        for (std::size_t i = 0; i < tiles; ++i)
            std::copy_n(matrix.scales(first + i, slice), tile_rows, copy_.data() + i * tile_rows);
        scales_ = copy_.data();
    }
    TileScales(const TileScales&) = delete;
    TileScales& operator=(const TileScales&) = delete;

    const float* data() const { return scales_; }

private:
    const float* scales_;
    std::array<float, std::size_t{most_panel_tiles} * tile_rows> copy_;
};

// Asks for memory that will be written: outputs of neighbouring tokens are far from each other, and each is a miss.
void fetch(const float* out, std::size_t count) {
    constexpr std::size_t line = 64 / sizeof(float);
    for (std::size_t i = 0; i < count; i += line) __builtin_prefetch(out + i, 1);
}

// Where the products of some rows of a matrix go: those of tokens to y; those of second rows aside, until they are
// added.
class Outputs {
public:
    Outputs(const CodedMatrix& matrix, const Activations& x, Pass pass, float* y, std::size_t top, std::size_t rows)
        : bias_(matrix.bias()), x_(x), pass_(pass), y_(y + top), stride_(static_cast<std::size_t>(matrix.rows())),
          top_(top), rows_(rows), firsts_(std::min(pass.count, tokens() - std::min(tokens(), pass.first))),
          second_((pass.count - firsts_) * rows) {}

    float* operator[](std::size_t i) {
        return i < firsts_ ? y_ + (pass_.first + i) * stride_ : second_.data() + (i - firsts_) * rows_;
    }

    // Adds the bias, then second rows.
    void finish() {
        if (!bias_.empty())
            for (std::size_t i = 0; i < firsts_; ++i) add((*this)[i], bias_.data() + top_);
        for (std::size_t i = firsts_; i < pass_.count; ++i)
            add(y_ + static_cast<std::size_t>(x_.token(static_cast<int>(pass_.first + i))) * stride_, (*this)[i]);
    }

private:
    std::size_t tokens() const { return static_cast<std::size_t>(x_.tokens()); }
    void add(float* out, const float* more) const {
        for (std::size_t r = 0; r < rows_; ++r) out[r] += more[r];
    }

    std::span<const float> bias_;
    const Activations& x_;
    Pass pass_;
    float* y_;
    std::size_t stride_, top_, rows_;
    std::size_t firsts_;  // of the pass: then come second rows
    std::vector<float> second_;
};

// Calls body(sums, pass, first row, rows) for all tokens and all rows of a matrix, a few tiles at a time, on the
// threads of the pool.
template <class Body>
void for_rows(const CodedMatrix& matrix, const Activations& x, Pool& pool, Body body) {
    const int most = looks_up(matrix, x.rows()) ? fused_tokens : x.rows();  // tables are larger than activations
    for (int first = 0; first < x.rows(); first += most) {
        const int count = std::min(most, x.rows() - first);
        const Pass pass{static_cast<std::size_t>(first), static_cast<std::size_t>(count)};
        const Operands operands(matrix, {x.row(first), x.stride(), count}, pool);
        const std::size_t at_once = TileSums::at_once(matrix, count);
        pool.run((matrix.tiles() + at_once - 1) / at_once, [&](std::size_t begin, std::size_t end) {
            TileSums sums(matrix, operands, count);
            for (std::size_t part = begin; part < end; ++part) {
                const std::size_t tile = part * at_once, tiles = std::min(at_once, matrix.tiles() - tile);
                sums.start(tile, tiles);
                body(sums, pass, tile * tile_rows, tiles * tile_rows);
            }
        });
    }
}

// A few tokens: decoding, products and scaling of all tiles of a thread are one loop of the instruction set.
void multiply_few(const CodedMatrix& matrix, const Activations& x, float* y, Pool& pool) {
    const Pass all{0, static_cast<std::size_t>(x.rows())};
    const Operands operands(matrix, {x.row(0), x.stride(), x.rows()}, pool);
    std::vector<Factor> factors;
    for (std::size_t i = 0; i < matrix.slices().size(); ++i) {
        const Slice& slice = matrix.slices()[i];
        factors.push_back({
            .offset = std::ptrdiff_t{slice.first_group} * geometry(matrix.layout()).group_bytes,
            .groups = slice.groups,
            .tokens = operands[i].tokens,
            .bases = operands[i].bases.data(),
        });
    }
    pool.run(matrix.tiles(), [&](std::size_t begin, std::size_t end) {
        const std::size_t top = begin * tile_rows,
                          rows = std::min(end * tile_rows, static_cast<std::size_t>(matrix.rows())) - top;
        Outputs outputs(matrix, x, all, y, top, rows);
        std::array<float*, fused_tokens> out;
        for (std::size_t i = 0; i < all.count; ++i) out[i] = outputs[i];
        matrix.kernels().multiply({
            .first = matrix.group(begin, 0),
            .tile_bytes = matrix.tile_step(),
            .factors = factors.data(),
            .factor_count = static_cast<int>(factors.size()),
            .spacing = matrix.levels().spacing,
            .scales = matrix.scales(begin, 0),
            .scale_step = matrix.scale_step(),
            .last = x.scales(),
            .y = out.data(),
            .rows = static_cast<std::ptrdiff_t>(rows),
        });
        outputs.finish();
    });
}

// Calls body(sums [tokens, rows], operand, first row, rows) for the rows of each thread.
template <class Body>
void for_strips(const CodedMatrix& matrix, const Activations& x, Pool& pool, Body body) {
    const Tokens tokens{x.row(0), x.stride(), x.rows()};
    const Operands operands(matrix, tokens, pool);
    pool.run((matrix.tiles() + strip_tiles - 1) / strip_tiles, [&](std::size_t begin, std::size_t end) {
        const std::size_t first = begin * strip_tiles, tiles = std::min(end * strip_tiles, matrix.tiles()) - first;
        Scratch<std::int32_t> sums(static_cast<std::size_t>(x.rows()) * tiles * tile_rows);
        input_strip_sums(matrix, tokens, first, tiles, sums.data());
        body(sums.data(), operands[0], first * tile_rows, tiles * tile_rows);
    });
}

bool in_strips(const CodedMatrix& matrix, const Activations& x) {
    return looks_up(matrix, x.rows()) && matrix.kernels().strip != 0;
}

void multiply_strips(const CodedMatrix& matrix, const Activations& x, float* y, Pool& pool) {
    const Pass all{0, static_cast<std::size_t>(x.rows())};
    for_strips(matrix, x, pool,
               [&](const std::int32_t* sums, const Operand& operand, std::size_t top, std::size_t rows) {
                   const std::size_t real = std::min(rows, static_cast<std::size_t>(matrix.rows()) - top);
                   Outputs outputs(matrix, x, all, y, top, real);
                   for (std::size_t i = 0; i < all.count; ++i) {
                       const Scaling scaling{
                           .spacing = matrix.levels().spacing,
                           .base = operand.bases[i],
                           .scales = matrix.scales(top / tile_rows, 0),
                           .first = true,
                           .last = x.scales()[i],
                       };
                       matrix.isa().scale_sums(sums + i * rows, scaling, static_cast<std::ptrdiff_t>(real), outputs[i]);
                   }
                   outputs.finish();
               });
}

}  // namespace

void linear(const CodedMatrix& matrix, const Activations& x, float* y, Pool& pool) {
    if (in_strips(matrix, x)) return multiply_strips(matrix, x, y, pool);
    if (x.rows() <= fused_tokens && !looks_up(matrix, x.rows())) return multiply_few(matrix, x, y, pool);
    for_rows(matrix, x, pool, [&](TileSums& sums, Pass pass, std::size_t top, std::size_t rows) {
        const std::size_t real = std::min(rows, static_cast<std::size_t>(matrix.rows()) - top),
                          slices = matrix.slices().size();
        Outputs outputs(matrix, x, pass, y, top, real);
        for (std::size_t slice = 0; slice < slices; ++slice) {
            const std::int32_t* sum = sums.slice(slice);
            const TileScales scales(matrix, top / tile_rows, rows / tile_rows, slice);
            for (std::size_t i = 0; i < pass.count; ++i) {
                fetch(outputs[std::min(i + 4, pass.count - 1)], real);
                const Scaling scaling{
                    .spacing = matrix.levels().spacing,
                    .base = sums.base(slice, i),
                    .scales = scales.data(),
                    .first = slice == 0,
                    .last = slice + 1 == slices ? x.scale(static_cast<int>(pass.first + i)) : 1.0f,
                };
                matrix.isa().scale_sums(sum + i * rows, scaling, static_cast<std::ptrdiff_t>(real), outputs[i]);
            }
        }
        outputs.finish();
    });
}

void integer_sums(const CodedMatrix& matrix, const Activations& x, std::int32_t* out, Pool& pool) {
    const auto tokens = static_cast<std::size_t>(x.tokens()), all_rows = static_cast<std::size_t>(matrix.rows());
    const auto put = [&](const std::int32_t* sums, std::int32_t base, std::size_t token, std::size_t top,
                         std::size_t rows) {
        std::transform(sums, sums + std::min(rows, all_rows - top), out + token * all_rows + top,
                       [&](std::int32_t s) { return matrix.levels().spacing * s + base; });
    };
    if (in_strips(matrix, x))
        return for_strips(matrix, x, pool,
                          [&](const std::int32_t* sums, const Operand& operand, std::size_t top, std::size_t rows) {
                              for (std::size_t t = 0; t < tokens; ++t)
                                  put(sums + t * rows, operand.bases[t], t, top, rows);
                          });
    for_rows(matrix, x, pool, [&](TileSums& sums, Pass pass, std::size_t top, std::size_t rows) {
        for (std::size_t slice = 0; slice < matrix.slices().size(); ++slice) {
            const std::int32_t* sum = sums.slice(slice);
            for (std::size_t t = 0; t < pass.count; ++t)
                put(sum + t * rows, sums.base(slice, t), slice * tokens + pass.first + t, top, rows);
        }
    });
}

void linear(const PlainMatrix& matrix, const float* x, int tokens, float* y, Pool& pool) {
    pool.run(static_cast<std::size_t>(matrix.rows()), [&](std::size_t begin, std::size_t end) {
        for (int t = 0; t < tokens; ++t)
            for (std::size_t row = begin; row < end; ++row)
                y[static_cast<std::size_t>(t) * static_cast<std::size_t>(matrix.rows()) + row] =
                    matrix.dot(static_cast<int>(row), x + std::ptrdiff_t{t} * matrix.cols());
    });
}

}  // namespace pentanet
