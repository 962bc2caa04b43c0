// pentanet._native: the engine for Python. Arrays are borrowed and kept alive; the interpreter runs on while it works.

#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "bindings/module.h"
#include "pentanet/session.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace pentanet {
namespace {

template <class T, int Dimensions>
using Array = nb::ndarray<const T, nb::ndim<Dimensions>, nb::c_contig, nb::device::cpu>;
using Bytes = Array<std::uint8_t, 1>;
using Floats = Array<float, 1>;
using Numpy = nb::ndarray<nb::numpy, float, nb::c_contig>;

template <class T>
Numpy numpy_array(std::vector<T> values, std::initializer_list<std::size_t> shape) {
    auto* owned = new std::vector<T>(std::move(values));
    const nb::capsule owner(owned, [](void* p) noexcept { delete static_cast<std::vector<T>*>(p); });
    return Numpy(owned->data(), shape, owner);
}

template <class Enum>
Enum named(const std::string& name, std::initializer_list<std::pair<const char*, Enum>> known) {
    std::string names;
    for (const auto& [key, value] : known) {
        if (name == key) return value;
        names.append(names.empty() ? "" : ", ").append(key);
    }
    throw std::invalid_argument("unknown name '" + name + "'. Known: " + names + ".");
}

int size_of(std::size_t n) {
    if (n > static_cast<std::size_t>(INT32_MAX))
        throw std::invalid_argument("an array with more than 2^31 rows or columns");
    return static_cast<int>(n);
}

Held coded(const Bytes& bytes, const Array<float, 2>& scales, const std::optional<Floats>& bias,
           const std::string& layout, int lowest, int spacing, int size, int rows, int cols, const std::string& isa,
           int threads, std::shared_ptr<Arena> arena) {
    const auto found = layout_on_disk(layout);
    if (!found) throw std::invalid_argument("unknown layout '" + layout + "'");
    const Codes codes{
        .layout = *found,
        .grid = {.lowest = lowest, .spacing = spacing, .size = size},
        .rows = rows,
        .cols = cols,
        .bytes = {bytes.data(), bytes.size()},
        .scales = {scales.data(), scales.size()},
        .scale_rows = size_of(scales.shape(0)),
        .scale_groups = size_of(scales.shape(1)),
        .bias = bias ? std::span{bias->data(), bias->size()} : std::span<const float>{},
    };
    if (bias && bias->size() == 0) throw std::invalid_argument("a bias has one value for each row");
    const Isa& chosen = find_isa(isa);
    const nb::gil_scoped_release release;
    Pool pool(threads);
    return {CodedMatrix(codes, chosen, pool, std::move(arena)), {}, {}, {}};
}

Held plain(const Bytes& bytes, const std::string& type, int rows, int cols, const std::string& isa) {
    using Type = PlainMatrix::Type;
    const Type stored = named<Type>(type, {{"float32", Type::float32}, {"bfloat16", Type::bfloat16}});
    const std::size_t size = stored == Type::float32 ? 4 : 2;
    if (rows < 1 || cols < 1 || bytes.size() != size * static_cast<std::size_t>(rows) * static_cast<std::size_t>(cols))
        throw std::invalid_argument("values of another size than the shape");
    if (reinterpret_cast<std::uintptr_t>(bytes.data()) % size != 0)
        throw std::invalid_argument("values are not aligned");
    return {PlainMatrix(bytes.data(), stored, rows, cols, find_isa(isa)), {}, {}, {}};
}

MatrixRef reference(const std::shared_ptr<Held>& held) { return {held, &held->matrix}; }

std::vector<MatrixRef> references(const std::vector<std::shared_ptr<Held>>& held) {
    std::vector<MatrixRef> found;
    for (const auto& one : held) found.push_back(reference(one));
    return found;
}

std::vector<float> copy(const std::optional<Floats>& values) {
    return values ? std::vector<float>(values->data(), values->data() + values->size()) : std::vector<float>{};
}

std::vector<float> copy(const std::optional<Array<float, 2>>& values) {
    return values ? std::vector<float>(values->data(), values->data() + values->size()) : std::vector<float>{};
}

using Pairs = Array<float, 2>;

std::vector<Rotary> positions_of(const std::vector<std::pair<Pairs, Pairs>>& tables) {
    std::vector<Rotary> found;
    for (const auto& [cosines, sines] : tables)
        found.push_back({size_of(cosines.shape(1)),
                         {cosines.data(), cosines.data() + cosines.size()},
                         {sines.data(), sines.data() + sines.size()}});
    return found;
}

Gain gain(const std::optional<Floats>& factors, const std::optional<Floats>& shifts = {}) {
    return {copy(factors), copy(shifts)};
}

const CodedMatrix& coded_matrix(const Held& held, std::size_t cols) {
    const auto* matrix = std::get_if<CodedMatrix>(&held.matrix);
    if (matrix == nullptr) throw std::invalid_argument("not a coded matrix");
    if (static_cast<std::size_t>(matrix->cols()) != cols) throw std::invalid_argument("activations of another width");
    return *matrix;
}

Rounding rounding_named(const std::string& name) {
    return named<Rounding>(name,
                           {{"int8", Rounding::int8}, {"int8x2", Rounding::int8x2}, {"adaptive", Rounding::adaptive}});
}

Numpy apply(const Held& held, const Array<float, 2>& x, int threads, const std::string& activations) {
    const Rounding rounding = rounding_named(activations);
    const std::size_t tokens = x.shape(0);
    const auto rows = static_cast<std::size_t>(pentanet::rows(held.matrix));
    if (x.shape(1) != static_cast<std::size_t>(cols(held.matrix)))
        throw std::invalid_argument("activations of another width");
    std::vector<float> y(tokens * rows);
    if (tokens > 0) {
        const int count = size_of(tokens);
        const nb::gil_scoped_release release;
        Pool pool(threads);
        if (const auto* matrix = std::get_if<CodedMatrix>(&held.matrix))
            linear(*matrix, Activations::quantize(x.data(), count, matrix->cols(), rounding, matrix->isa(), pool),
                   y.data(), pool);
        else
            linear(std::get<PlainMatrix>(held.matrix), x.data(), count, y.data(), pool);
    }
    return numpy_array(std::move(y), {tokens, rows});
}

nb::ndarray<nb::numpy, std::int32_t> sums(const Held& held, const Array<std::int8_t, 2>& x, int threads) {
    const CodedMatrix& matrix = coded_matrix(held, x.shape(1));
    const std::size_t slices = matrix.slices().size(), tokens = x.shape(0),
                      rows = static_cast<std::size_t>(matrix.rows());
    auto* out = new std::vector<std::int32_t>(slices * tokens * rows);
    const nb::capsule owner(out, [](void* p) noexcept { delete static_cast<std::vector<std::int32_t>*>(p); });
    if (tokens > 0) {
        Pool pool(threads);
        integer_sums(matrix, Activations::exactly(x.data(), size_of(tokens), matrix.cols()), out->data(), pool);
    }
    return nb::ndarray<nb::numpy, std::int32_t>(out->data(), {slices, tokens, rows}, owner);
}

Numpy run(Session& session, const std::vector<Part>& parts, bool all) {
    std::size_t rows = parts.size();
    if (all) {
        rows = 0;
        for (const Part& part : parts) rows += part.ids.size();
    }
    const auto vocab = static_cast<std::size_t>(session.model().vocab());
    const auto most = static_cast<std::size_t>(session.model().context) * static_cast<std::size_t>(session.sequences());
    std::vector<float> logits(std::min(rows, most) * vocab);  // more are refused before any is written
    {
        const nb::gil_scoped_release release;
        session.forward(parts, all, logits.data());
    }
    return numpy_array(std::move(logits), {rows, vocab});
}

// Parts of one after another in `ids`.
Numpy forward(Session& session, const Array<std::int32_t, 1>& ids,
              const std::vector<std::pair<int, std::size_t>>& parts, bool all) {
    std::vector<Part> cut;
    std::size_t done = 0;
    for (const auto& [sequence, tokens] : parts) {
        if (tokens > ids.size() - done) throw std::invalid_argument("parts with more tokens than there are");
        cut.push_back({sequence, {ids.data() + done, tokens}});
        done += tokens;
    }
    if (done != ids.size()) throw std::invalid_argument("parts with fewer tokens than there are");
    return run(session, cut, all);
}

std::vector<std::string> names(const std::vector<const Isa*>& isas) {
    std::vector<std::string> found;
    for (const Isa* isa : isas) found.emplace_back(isa->name);
    return found;
}

void bind_matrix(nb::module_& m) {
    nb::class_<Arena>(m, "Arena", "Huge pages that the matrices of a model share.").def(nb::init<>());
    nb::class_<Held>(m, "Matrix", "Weights [rows, cols] that stay packed; borrows the arrays that it is made of.")
        .def_static(
            "coded",
            [](const nb::object& bytes, const nb::object& scales, const nb::object& bias, const std::string& layout,
               int lowest, int spacing, int size, int rows, int cols, const std::string& isa, int threads,
               std::shared_ptr<Arena> arena) {
                auto held = std::make_shared<Held>(coded(nb::cast<Bytes>(bytes), nb::cast<Array<float, 2>>(scales),
                                                         nb::cast<std::optional<Floats>>(bias), layout, lowest, spacing,
                                                         size, rows, cols, isa, threads, std::move(arena)));
                held->bytes = bytes;
                held->scales = scales;
                held->bias = bias;
                return held;
            },
            "codes"_a, "scales"_a, "bias"_a = nb::none(), nb::kw_only(), "layout"_a, "lowest"_a, "spacing"_a, "size"_a,
            "rows"_a, "cols"_a, "isa"_a = "", "threads"_a = 1, "arena"_a.none() = nb::none(),
            "Take packed codes of a grid into `arena`, or borrow them; the threads share looking at each, and "
            "repacking.")
        .def_static(
            "plain",
            [](const nb::object& bytes, const std::string& type, int rows, int cols, const std::string& isa) {
                auto held = std::make_shared<Held>(plain(nb::cast<Bytes>(bytes), type, rows, cols, isa));
                held->bytes = bytes;
                return held;
            },
            "values"_a, nb::kw_only(), "dtype"_a, "rows"_a, "cols"_a, "isa"_a = "")
        .def_prop_ro("rows", [](const Held& held) { return rows(held.matrix); })
        .def_prop_ro("cols", [](const Held& held) { return cols(held.matrix); })
        .def_prop_ro("nbytes", [](const Held& held) { return nbytes(held.matrix); })
        .def_prop_ro("layout_in_memory",
                     [](const Held& held) {
                         const auto* matrix = std::get_if<CodedMatrix>(&held.matrix);
                         if (matrix == nullptr) throw std::invalid_argument("not a coded matrix");
                         return std::string(geometry(matrix->layout()).name);
                     })
        .def_prop_ro("repacked",
                     [](const Held& held) {
                         const auto* matrix = std::get_if<CodedMatrix>(&held.matrix);
                         return matrix != nullptr && matrix->repacked();
                     })
        .def("apply", apply, "x"_a, "threads"_a = 1, "activations"_a = "int8",
             "float32 [tokens, cols] -> [tokens, rows], through int8 where coded.")
        .def("sums", sums, "x"_a, "threads"_a = 1, "int8 [tokens, cols] -> exact int32 [slices, tokens, rows].");
}

void bind_layer(nb::module_& m) {
    using Held2 = std::vector<std::shared_ptr<Held>>;
    using Ref = std::shared_ptr<Held>;
    using Gain1 = std::optional<Floats>;
    nb::class_<Layer>(m, "Layer", "One block of a network.")
        .def(
            "__init__",
            [](Layer* self, const Gain1& attention_norm, const Gain1& attention_norm_bias, const Held2& qkv,
               const Gain1& query_norm, const Gain1& key_norm, const Gain1& attention_sub_norm,
               const Ref& attention_out, const Gain1& attention_post_norm, const Gain1& mlp_norm,
               const Gain1& mlp_norm_bias, const Held2& up, const Gain1& mlp_sub_norm, const Ref& down,
               const Gain1& mlp_post_norm, int window, int rotary) {
                new (self) Layer{
                    .attention_norm = gain(attention_norm, attention_norm_bias),
                    .qkv = references(qkv),
                    .query_norm = gain(query_norm),
                    .key_norm = gain(key_norm),
                    .attention_sub_norm = gain(attention_sub_norm),
                    .attention_out = reference(attention_out),
                    .attention_post_norm = gain(attention_post_norm),
                    .mlp_norm = gain(mlp_norm, mlp_norm_bias),
                    .up = references(up),
                    .mlp_sub_norm = gain(mlp_sub_norm),
                    .down = reference(down),
                    .mlp_post_norm = gain(mlp_post_norm),
                    .window = window,
                    .rotary = rotary,
                };
            },
            nb::kw_only(), "attention_norm"_a.none() = nb::none(), "attention_norm_bias"_a.none() = nb::none(), "qkv"_a,
            "query_norm"_a.none() = nb::none(), "key_norm"_a.none() = nb::none(),
            "attention_sub_norm"_a.none() = nb::none(), "attention_out"_a, "attention_post_norm"_a.none() = nb::none(),
            "mlp_norm"_a.none() = nb::none(), "mlp_norm_bias"_a.none() = nb::none(), "up"_a,
            "mlp_sub_norm"_a.none() = nb::none(), "down"_a, "mlp_post_norm"_a.none() = nb::none(), "window"_a = 0,
            "rotary"_a = -1);
}

void bind_model(nb::module_& m) {
    using Table = std::optional<Array<float, 2>>;
    nb::class_<Model>(m, "Model", "A network whose shapes have been checked.")
        .def(
            "__init__",
            [](Model* self, int width, int heads, int kv_heads, int head_width, int context, const std::string& norm,
               float norm_eps, const std::string& activation, bool gated, float embedding_scale, float residual_scale,
               float score_scale, float logit_scale, float score_cap, float logit_cap,
               const std::shared_ptr<Held>& embedding, const std::shared_ptr<Held>& head,
               const std::optional<Floats>& final_norm, const std::optional<Floats>& final_norm_bias,
               const Table& positions, const std::vector<std::pair<Pairs, Pairs>>& rotaries,
               const std::vector<Layer>& layers, const std::string& isa) {
                Model model{
                    .width = width,
                    .heads = heads,
                    .kv_heads = kv_heads,
                    .head_width = head_width,
                    .context = context,
                    .norm = named<NormKind>(norm, {{"rms", NormKind::rms}, {"layer", NormKind::layer}}),
                    .norm_eps = norm_eps,
                    .activation = named<Activation>(activation, {{"silu", Activation::silu},
                                                                 {"relu2", Activation::relu2},
                                                                 {"gelu", Activation::gelu},
                                                                 {"gelu_tanh", Activation::gelu_tanh}}),
                    .gated = gated,
                    .embedding_scale = embedding_scale,
                    .residual_scale = residual_scale,
                    .score_scale = score_scale,
                    .logit_scale = logit_scale,
                    .score_cap = score_cap,
                    .logit_cap = logit_cap,
                    .embedding = reference(embedding),
                    .head = reference(head),
                    .final_norm = gain(final_norm, final_norm_bias),
                    .positions = copy(positions),
                    .rotaries = positions_of(rotaries),
                    .layers = layers,
                    .isa = &find_isa(isa),
                };
                model.check();
                new (self) Model(std::move(model));
            },
            nb::kw_only(), "width"_a, "heads"_a, "kv_heads"_a, "head_width"_a, "context"_a, "norm"_a, "norm_eps"_a,
            "activation"_a, "gated"_a, "embedding_scale"_a = 1.0f, "residual_scale"_a = 1.0f, "score_scale"_a = 0.0f,
            "logit_scale"_a = 1.0f, "score_cap"_a = 0.0f, "logit_cap"_a = 0.0f, "embedding"_a, "head"_a, "final_norm"_a,
            "final_norm_bias"_a.none() = nb::none(), "positions"_a.none() = nb::none(),
            "rotaries"_a = std::vector<std::pair<Pairs, Pairs>>{}, "layers"_a, "isa"_a = "")
        .def_prop_ro("vocab", &Model::vocab)
        .def_prop_ro("bytes_per_token", &Model::bytes_per_token)
        .def_prop_ro("isa", [](const Model& model) { return std::string(model.isa->name); });
}

void bind_session(nb::module_& m) {
    nb::class_<Session>(m, "Session", "Sequences that a model continues. Not for two threads at once.")
        .def(
            "__init__",
            [](Session* self, std::shared_ptr<const Model> model, int sequences, int threads, const std::string& cache,
               const std::string& activations, bool pin) {
                const CacheType type = named<CacheType>(cache, {{"float32", CacheType::float32},
                                                                {"float16", CacheType::float16},
                                                                {"bfloat16", CacheType::bfloat16},
                                                                {"int8", CacheType::int8}});
                new (self) Session(std::move(model), sequences, threads, type, rounding_named(activations), pin);
            },
            "model"_a, nb::kw_only(), "sequences"_a = 1, "threads"_a = 1, "cache"_a = "float32",
            "activations"_a = "int8", "pin"_a = false)
        .def_prop_ro("sequences", &Session::sequences)
        .def_prop_ro("threads", &Session::threads)
        .def_prop_ro("cache_bytes_per_token", [](const Session& session) { return session.cache().bytes_per_token(); })
        .def("length", &Session::length, "sequence"_a = 0, "Tokens that a sequence has.")
        .def(
            "truncate", [](Session& session, int length, int sequence) { session.truncate(sequence, length); },
            "length"_a, "sequence"_a = 0, "Forget all but the first tokens of a sequence.")
        .def("forward", forward, "ids"_a, "parts"_a, nb::kw_only(), "every"_a = false,
             "int32 [tokens], cut into (sequence, tokens) -> logits after the last token of each part, or after every "
             "one.");
}

}  // namespace
}  // namespace pentanet

NB_MODULE(_native, m) {
    using namespace pentanet;
#if defined(__clang__)
    m.attr("compiler") = __VERSION__;  // says "Clang" itself
#else
    m.attr("compiler") = "gcc " __VERSION__;
#endif
    m.def("known_isas", [] { return names({known_isas().begin(), known_isas().end()}); });
    m.def("supported_isas", [] { return names(supported_isas()); });
    m.def(
        "find_isa", [](const std::string& name) { return std::string(find_isa(name).name); }, "name"_a,
        "The instruction set of that name, or the fastest one; ValueError if this machine does not have it.");
    m.def("huge_pages", huge_pages, "Whether the system gives huge pages to a program that asks for them.");
    bind_matrix(m);
    bind_layer(m);
    bind_model(m);
    bind_session(m);
    bind_timing(m);
    bind_archive(m);
}
