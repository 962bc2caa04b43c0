// The kernels of one instruction set, and the choice among the sets that this machine has.
//
// A new set is one source file that fills an Isa, and one line in isa.cpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pentanet/attention.h"
#include "pentanet/layout.h"

namespace pentanet {

inline constexpr int fused_tokens = 8;      // up to this many, decoding is fused with the product
inline constexpr int most_panel_tiles = 4;  // that a set may like to take at once

// Activations: int8 [tokens, stride] in [-127, 127]. Each token has zeros up to the end of the last group.
struct Tokens {
    const std::int8_t* values;
    std::ptrdiff_t stride;
    int count;
};

// sums[16 * token + row] = sum of digit * activation over the inputs of `groups` groups of a tile. Exact.
// At most fused_tokens tokens.
using FusedDot = void (*)(const std::uint8_t* tile, int groups, Tokens tokens, std::int32_t* sums);

// Inputs that share a scale, as all tiles have them.
struct Factor {
    std::ptrdiff_t offset;  // of their first group in a tile, in bytes
    int groups;
    Tokens tokens;
    const std::int32_t* bases;  // see Scaling, one for each token
};

// Products of whole tiles, up to float32. For each token, y[row] is computed by Scaling, factor after factor; the last
// factor is the one that also multiplies by last[token]. At most fused_tokens tokens.
struct Products {
    const std::uint8_t* first;  // tile
    std::ptrdiff_t tile_bytes;  // from one tile to the next
    const Factor* factors;
    int factor_count;
    std::int32_t spacing;
    const float* scales;        // of the first tile, [factors, 16 rows]
    std::ptrdiff_t scale_step;  // from one tile to the next, in floats
    const float* last;          // [tokens]
    float* const* y;            // [tokens]
    std::ptrdiff_t rows;        // of which the last tile may have fewer than 16
};
using Multiply = void (*)(const Products& products);

// Writes the digits of a tile as bytes [quads, 64 lanes].
using Unpack = void (*)(const std::uint8_t* tile, int groups, std::uint8_t* panel);

// Some unpacked quads of a few neighbouring tiles.
struct Panel {
    const std::uint8_t* digits;  // [tiles, quads, 64 lanes]
    int tiles;                   // 1 to Isa::panel_tiles
    int quads;
    int largest;  // digit: see Geometry; 0 for signed levels, plus Kernels::offset

    const std::uint8_t* tile(int index) const { return digits + std::ptrdiff_t{index} * quads * lanes; }
};

// sums[token, tile, row] += the products of a panel with any number of tokens; [tokens, panel.tiles, 16].
using PanelDot = void (*)(const Panel& panel, Tokens tokens, std::int32_t* sums);

// Rewrites a tile of `cols` inputs, which is one of an encoder, from the layout on disk to the one in memory.
using Repack = void (*)(const std::uint8_t* tile, int cols, std::uint8_t* out);

// Some groups of neighbouring tiles.
struct TileGroups {
    const std::uint8_t* first;
    std::ptrdiff_t tile_bytes;  // from one tile to the next; in strips, from four to the next four
    int tiles;                  // 1 to Isa::panel_tiles; in strips, any number
    int groups;
};

// Sums by look-up: tables, built once from the activations, hold what each combination of a few digits adds to a sum,
// and serve all rows. Sets without multiplication have no other way.
struct Lookups {
    int group_bytes;  // of the tables of one token for one group
    int offset;       // what tables add to digits or signed levels

    // Builds the tables of some groups of one token, on a boundary of 64 bytes.
    void (*build)(const std::int8_t* x, int groups, std::uint8_t* tables);

    // sums[token, tile, row] += the sum of digit * activation, digits with the offset. `tables` in the place of
    // activations, at most fused_tokens.
    void (*dot)(const TileGroups& tiles, Tokens tables, std::int32_t* sums);
};

struct Kernels {
    Layout in_memory;   // the layout that the set reads
    FusedDot dot;       // of the layout in memory; null with lookups
    Multiply multiply;  // the same, scaled, of many tiles at once
    Unpack unpack;      // for more than fused_tokens; null where lookups serve them too
    Repack repack;      // to the layout in memory, when a matrix is opened; null where that is the one on disk
    int offset = 0;     // what products add to digits or signed levels
    const Lookups* lookups = nullptr;
    // Number of groups per strip; 0 = no strips. Memory order is [strip][4 tiles][group in strip], so the lookup tables
    // of one strip stay in L1 while all rows are processed. Only for matrices without group scales.
    int strip = 0;
    bool by_input = false;  // in memory, the 64 lanes of a group are [4 inputs, 16 rows] and not [16 rows, 4 inputs]
};

// From an integer sum to an output: y = (first ? part : y + part) * last,
// with part = (spacing * sum + base) * scales[row].
struct Scaling {
    std::int32_t spacing, base;
    const float* scales;
    bool first;
    float last;
};

// Scales the sums of some rows of one token.
using ScaleSums = void (*)(const std::int32_t* sums, Scaling scaling, std::ptrdiff_t rows, float* out);

// Loops over float32. Every set sums in the same order, so that all give the same bits.
struct FloatOps {
    float (*dot)(const float* a, const float* b, std::ptrdiff_t n);
    float (*dot_bfloat16)(const std::uint16_t* a, const float* b, std::ptrdiff_t n);
    float (*total)(const float* x, std::ptrdiff_t n);
    // x = f(x) * by, or f(x) alone where `by` is null.
    void (*silu)(float* x, const float* by, std::ptrdiff_t n);
    void (*relu2)(float* x, const float* by, std::ptrdiff_t n);
    void (*gelu)(float* x, const float* by, std::ptrdiff_t n);       // with erf, to a unit in the last place of 1
    void (*gelu_tanh)(float* x, const float* by, std::ptrdiff_t n);  // with GPT-2's tanh in the place of erf
    void (*cap)(float* x, float limit, std::ptrdiff_t n);            // x = limit * tanh(x / limit)
    // Returns the scale: see linear.h; NaN where a number is NaN or infinite.
    float (*quantize)(const float* x, std::int8_t* q, std::ptrdiff_t n);
    void (*rest)(const float* x, const std::int8_t* q, float scale, float* out, std::ptrdiff_t n);  // x - q * scale
    std::int64_t (*sum_of_sizes)(const std::int8_t* q, std::ptrdiff_t n);
    // Ties to even. to_float16 makes 65504 of larger magnitudes.
    void (*to_float16)(const float* x, std::uint16_t* out, std::ptrdiff_t n);
    void (*to_bfloat16)(const float* x, std::uint16_t* out, std::ptrdiff_t n);
    void (*attend[cache_types])(const Attend& a);
};

// What this machine can do at most with these instructions: the limits that `pentanet speed` holds kernels against.
struct Probes {
    // Loads every byte, `size` a multiple of probe_block, and nothing else. The result only keeps the loads alive.
    std::uint64_t (*read)(const std::uint8_t* bytes, std::size_t size);
    // Independent dot products of int8 that stay in registers; returns how many multiply-adds they were.
    std::int64_t (*multiply)(std::int64_t rounds);
};
inline constexpr std::size_t probe_block = 512;

struct Isa {
    std::string_view name;
    bool (*supported)();
    Kernels (*kernels)(Layout on_disk, int cols, int scale_groups);
    int panel_tiles;     // up to most_panel_tiles: how many panel_dot, or Lookups::dot, likes to take at once
    PanelDot panel_dot;  // null where all layouts have lookups
    ScaleSums scale_sums;
    FloatOps ops;
    Probes probes;
    bool by_name_only = false;  // never chosen as the fastest
};

// All sets that were compiled, slowest first, those by name only behind; the first one is the scalar oracle.
std::span<const Isa* const> known_isas();

// Those that this machine can run.
std::vector<const Isa*> supported_isas();

// The set with this name, or for an empty name the fastest one that is not by name only.
// Throws std::invalid_argument, naming the known ones, for a name that is unknown or that this machine cannot run.
const Isa& find_isa(std::string_view name);

}  // namespace pentanet
