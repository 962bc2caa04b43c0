#include "pentanet/linear.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <numeric>

#include "pentanet/lanes.h"

namespace pentanet {
namespace {

// What one slice multiplies by: its activations in groups of the layout, zero outside of the slice, and their sums.
struct Operand {
    Tokens tokens;  // or the tables made of them, for sets that look sums up
    std::vector<std::int32_t> totals;
};

// Whether so many tokens look sums up.
bool looks_up(const CodedMatrix& matrix, int tokens) {
    const Kernels& kernels = matrix.kernels();
    return kernels.lookups != nullptr && (tokens <= fused_tokens || kernels.unpack == nullptr);
}

class Operands {
public:
    Operands(const CodedMatrix& matrix, Tokens x, Pool& pool) {
        const int inputs = geometry(matrix.layout()).inputs();
        for (const Slice& slice : matrix.slices()) {
            const Tokens tokens = matrix.slices().size() > 1 ? cut(slice, x, inputs) : x;
            std::vector<std::int32_t> totals(static_cast<std::size_t>(x.count));
            for (int t = 0; t < x.count; ++t) {
                const std::int8_t* values = x.values + t * x.stride;
                totals[static_cast<std::size_t>(t)] = std::accumulate(values + slice.begin, values + slice.end, 0);
            }
            operands_.push_back({tokens, std::move(totals)});
        }
        if (looks_up(matrix, x.count)) make_tables(*matrix.kernels().lookups, matrix.slices(), inputs, pool);
    }

    const Operand& operator[](std::size_t slice) const { return operands_[slice]; }

private:
    Tokens cut(const Slice& slice, Tokens x, int inputs) {
        const std::ptrdiff_t stride = std::ptrdiff_t{slice.groups} * inputs;
        auto& copy = copies_.emplace_back(static_cast<std::size_t>(stride * x.count));
        for (int t = 0; t < x.count; ++t)
            std::memcpy(copy.data() + t * stride + (slice.begin - slice.first_group * inputs),
                        x.values + t * x.stride + slice.begin, static_cast<std::size_t>(slice.end - slice.begin));
        return {copy.data(), stride, x.count};
    }

    // Replaces the activations of each slice by tables; each thread makes those of some groups.
    void make_tables(const Lookups& lookups, const std::vector<Slice>& slices, int inputs, Pool& pool) {
        std::vector<Tokens> tables;
        std::ptrdiff_t size = 0;
        int most_groups = 0;
        for (std::size_t i = 0; i < slices.size(); ++i) {
            const std::ptrdiff_t stride = std::ptrdiff_t{slices[i].groups} * lookups.group_bytes;
            tables.push_back({nullptr, stride, operands_[i].tokens.count});
            size += stride * tables[i].count;
            most_groups = std::max(most_groups, slices[i].groups);
        }
        tables_ = Buffer(static_cast<std::size_t>(size));
        pool.run(static_cast<std::size_t>(most_groups), [&](std::size_t begin, std::size_t end) {
            std::uint8_t* out = tables_.data();
            for (std::size_t i = 0; i < slices.size(); ++i) {
                const Tokens& x = operands_[i].tokens;
                const int first = std::min(static_cast<int>(begin), slices[i].groups);
                const int last = std::min(static_cast<int>(end), slices[i].groups);
                for (int t = 0; t < x.count; ++t, out += tables[i].stride)
                    lookups.build(x.values + t * x.stride + std::ptrdiff_t{first} * inputs, last - first,
                                  out + std::ptrdiff_t{first} * lookups.group_bytes);
            }
        });
        const std::uint8_t* made = tables_.data();
        for (std::size_t i = 0; i < slices.size(); made += tables[i].stride * tables[i].count, ++i) {
            tables[i].values = reinterpret_cast<const std::int8_t*>(made);
            operands_[i].tokens = tables[i];
        }
    }

    std::vector<Operand> operands_;
    std::vector<std::vector<std::int8_t>> copies_;
    Buffer tables_;
};

// Computes the integer sums of a few neighbouring tiles, slice after slice. Few tokens: decoding is fused with the
// product. Many: the digits of some inputs are unpacked into a panel that stays in the second cache, and all tokens pass it.
class TileSums {
public:
    // For the tiles of one thread, of which start() takes some at a time.
    TileSums(const CodedMatrix& matrix, const Operands& operands, int tokens, std::size_t first, std::size_t end)
        : matrix_(matrix), operands_(operands), shape_(geometry(matrix.layout())), looks_up_(looks_up(matrix, tokens)),
          fused_(tokens <= fused_tokens), in_strips_(looks_up_ && matrix.kernels().strip != 0),
          panel_(fused_ || looks_up_ ? 0 : static_cast<std::size_t>(groups_at_once() * matrix.isa().panel_tiles * shape_.digits) * lanes),
          sums_(static_cast<std::size_t>(tokens) * (in_strips_ ? end - first : at_once(matrix, tokens)) * tile_rows), tokens_(tokens),
          first_(first) {
        if (in_strips_) all_strips(end);
    }

    static std::size_t at_once(const CodedMatrix& matrix, int tokens) {
        return tokens <= fused_tokens && !looks_up(matrix, tokens) ? 1 : static_cast<std::size_t>(matrix.isa().panel_tiles);
    }

    void start(std::size_t first_tile, std::size_t tiles) {
        first_tile_ = first_tile;
        tiles_ = static_cast<int>(tiles);
    }

    // Sums of digit * activation, [tokens, tiles, 16].
    const std::int32_t* slice(std::size_t index) {
        const Slice& slice = matrix_.slices()[index];
        const Operand& operand = operands_[index];
        if (in_strips_) return sums_of(first_tile_);
        if (looks_up_) {
            std::fill_n(sums_.data(), tokens_ * tiles_ * tile_rows, 0);
            look_up(first_tile_, tiles_, slice.first_group, slice.groups, operand.tokens, sums_.data());
        } else if (fused_) {
            matrix_.kernels().dot(matrix_.group(first_tile_, slice.first_group), slice.groups, operand.tokens, sums_.data());
        } else {
            through_panel(slice, operand.tokens);
        }
        return sums_.data();
    }

    // What a sum of digits lacks to one of levels.
    std::int32_t base(std::size_t slice, std::size_t token) const {
        const int offset = looks_up_ ? matrix_.kernels().lookups->offset : matrix_.kernels().offset;
        return (matrix_.levels().lowest - matrix_.levels().spacing * offset) * operands_[slice].totals[token];
    }

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

    // Where all tiles pass one strip before the next one, their sums are kept until the last. Some tiles, which stay in the
    // second cache, pass the tables of one token before those of the next.
    void all_strips(std::size_t end) {
        constexpr std::size_t some = 16 * words_together;
        const int strip = matrix_.kernels().strip, all = shape_.groups(matrix_.cols());
        const Tokens& tables = operands_[0].tokens;
        std::fill_n(sums_.data(), tokens_ * static_cast<std::ptrdiff_t>(end - first_) * tile_rows, 0);
        for (int group = 0; group < all; group += strip)
            for (std::size_t part = first_; part < end; part += some)
                for (int t = 0; t < tokens_; ++t) {
                    const std::int8_t* table = tables.values + t * tables.stride + std::ptrdiff_t{group} * matrix_.kernels().lookups->group_bytes;
                    for (std::size_t tile = part; tile < std::min(part + some, end); tile += words_together) {
                        const int tiles = static_cast<int>(std::min(end - tile, words_together));
                        look_up(tile, tiles, group, std::min(all - group, strip), {table, tables.stride, 1}, sums_of(tile) + t * tiles * tile_rows);
                    }
                }
    }

    std::int32_t* sums_of(std::size_t tile) { return sums_.data() + static_cast<std::size_t>(tokens_) * (tile - first_) * tile_rows; }

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
    bool looks_up_, fused_, in_strips_;
    std::size_t first_tile_ = 0;
    int tiles_ = 0;
    Scratch<std::uint8_t> panel_;
    Scratch<std::int32_t> sums_;
    int tokens_;
    std::size_t first_;
};

// Rows of activations that are multiplied in one pass over the matrix.
struct Pass {
    std::size_t first, count;
};

// Scales of the rows of a few tiles for one slice; of one tile, where they lie.
class TileScales {
public:
    TileScales(const CodedMatrix& matrix, std::size_t first, std::size_t tiles, std::size_t slice)
        : scales_(matrix.scales(first, slice)) {
        if (tiles == 1) return;
        for (std::size_t i = 0; i < tiles; ++i) std::copy_n(matrix.scales(first + i, slice), tile_rows, copy_.data() + i * tile_rows);
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

// Calls body(sums, pass, first row, rows) for all tokens and all rows of a matrix, a few tiles at a time, on the threads of
// the pool.
template <class Body>
void for_rows(const CodedMatrix& matrix, const Activations& x, Pool& pool, Body body) {
    const int most = looks_up(matrix, x.rows()) ? fused_tokens : x.rows();  // tables are larger than activations
    for (int first = 0; first < x.rows(); first += most) {
        const int count = std::min(most, x.rows() - first);
        const Pass pass{static_cast<std::size_t>(first), static_cast<std::size_t>(count)};
        const Operands operands(matrix, {x.row(first), x.stride(), count}, pool);
        const std::size_t at_once = TileSums::at_once(matrix, count);
        pool.run((matrix.tiles() + at_once - 1) / at_once, [&](std::size_t begin, std::size_t end) {
            TileSums sums(matrix, operands, count, begin * at_once, std::min(end * at_once, matrix.tiles()));
            for (std::size_t part = begin; part < end; ++part) {
                const std::size_t tile = part * at_once, tiles = std::min(at_once, matrix.tiles() - tile);
                sums.start(tile, tiles);
                body(sums, pass, tile * tile_rows, tiles * tile_rows);
            }
        });
    }
}

}  // namespace

Activations::Activations(int tokens, int most_rows, int cols)
    : tokens_(tokens), cols_(cols), stride_(padded_inputs(cols)), values_(static_cast<std::size_t>(most_rows * stride_)),
      scales_(static_cast<std::size_t>(most_rows), 1.0f) {
    for (int row = 0; row < most_rows; ++row)
        std::memset(values_.data() + row * stride_ + cols, 0, static_cast<std::size_t>(stride_ - cols));
}

void Activations::round(int row, const float* x, const Isa& isa) {
    scales_[static_cast<std::size_t>(row)] = isa.ops.quantize(x, values_.data() + row * stride_, cols_);
}

void Activations::round_rest(int row, const float* x, const Isa& isa) {
    Scratch<float> rest(static_cast<std::size_t>(cols_));
    isa.ops.rest(x, this->row(token(row)), scale(token(row)), rest.data(), cols_);
    round(row, rest.data(), isa);
}

Activations Activations::quantize(const float* x, int tokens, int cols, Rounding rounding, const Isa& isa, Pool& pool) {
    Activations result(tokens, rounding == Rounding::int8 ? tokens : 2 * tokens, cols);
    const auto values = [&](int token) { return x + std::ptrdiff_t{token} * cols; };
    pool.run(static_cast<std::size_t>(tokens), [&](std::size_t begin, std::size_t end) {
        for (int token = static_cast<int>(begin); token < static_cast<int>(end); ++token) result.round(token, values(token), isa);
    });
    if (rounding == Rounding::int8) return result;
    for (int token = 0; token < tokens; ++token)
        if (rounding == Rounding::int8x2 || isa.ops.sum_of_sizes(result.row(token), cols) < coarse * cols)
            result.twice_.push_back(token);
    pool.run(result.twice_.size(), [&](std::size_t begin, std::size_t end) {
        for (int i = static_cast<int>(begin); i < static_cast<int>(end); ++i)
            result.round_rest(tokens + i, values(result.token(tokens + i)), isa);
    });
    return result;
}

Activations Activations::exactly(const std::int8_t* x, int tokens, int cols) {
    Activations result(tokens, tokens, cols);
    for (int t = 0; t < tokens; ++t)
        std::memcpy(result.values_.data() + t * result.stride_, x + std::ptrdiff_t{t} * cols, static_cast<std::size_t>(cols));
    return result;
}

void linear(const CodedMatrix& matrix, const Activations& x, float* y, Pool& pool) {
    const auto all_rows = static_cast<std::size_t>(matrix.rows()), tokens = static_cast<std::size_t>(x.tokens());
    for_rows(matrix, x, pool, [&](TileSums& sums, Pass pass, std::size_t top, std::size_t rows) {
        const std::size_t real = std::min(rows, all_rows - top), slices = matrix.slices().size();
        const std::size_t firsts = std::min(pass.count, tokens - std::min(tokens, pass.first));  // then come second rows
        std::vector<float> second((pass.count - firsts) * real);
        const auto output = [&](std::size_t i) {
            return i < firsts ? y + (pass.first + i) * all_rows + top : second.data() + (i - firsts) * real;
        };
        for (std::size_t slice = 0; slice < slices; ++slice) {
            const std::int32_t* sum = sums.slice(slice);
            const TileScales scales(matrix, top / tile_rows, rows / tile_rows, slice);
            for (std::size_t i = 0; i < pass.count; ++i) {
                fetch(output(std::min(i + 4, pass.count - 1)), real);
                const float last = slice + 1 == slices ? x.scale(static_cast<int>(pass.first + i)) : 1.0f;
                const Scaling scaling{matrix.levels().spacing, sums.base(slice, i), scales.data(), slice == 0, last};
                matrix.isa().scale_sums(sum + i * rows, scaling, static_cast<std::ptrdiff_t>(real), output(i));
            }
        }
        if (const auto bias = matrix.bias(); !bias.empty())
            for (std::size_t i = 0; i < firsts; ++i)
                for (std::size_t r = 0; r < real; ++r) output(i)[r] += bias[top + r];
        for (std::size_t i = firsts; i < pass.count; ++i) {
            float* out = y + static_cast<std::size_t>(x.token(static_cast<int>(pass.first + i))) * all_rows + top;
            for (std::size_t r = 0; r < real; ++r) out[r] += output(i)[r];
        }
    });
}

void integer_sums(const CodedMatrix& matrix, const Activations& x, std::int32_t* out, Pool& pool) {
    const auto tokens = static_cast<std::size_t>(x.tokens()), all_rows = static_cast<std::size_t>(matrix.rows());
    for_rows(matrix, x, pool, [&](TileSums& sums, Pass pass, std::size_t top, std::size_t rows) {
        for (std::size_t slice = 0; slice < matrix.slices().size(); ++slice) {
            const std::int32_t* sum = sums.slice(slice);
            for (std::size_t t = 0; t < pass.count; ++t)
                std::transform(sum + t * rows, sum + t * rows + std::min(rows, all_rows - top),
                               out + (slice * tokens + pass.first + t) * all_rows + top,
                               [&, base = sums.base(slice, t)](std::int32_t s) { return matrix.levels().spacing * s + base; });
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
