// pentanet._native.encode_levels and decode_levels: see archive.h.

#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>

#include <optional>

#include "bindings/module.h"
#include "pentanet/archive.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace pentanet {
namespace {

template <class T>
using Levels = nb::ndarray<T, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Context = std::optional<Levels<const std::uint8_t>>;
using Bytes = nb::ndarray<const std::uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

std::span<const std::uint8_t> flat(const Context& context) {
    return context ? std::span{context->data(), context->size()} : std::span<const std::uint8_t>{};
}

template <class T>
void bind_levels(nb::module_& m) {
    m.def(
        "encode_levels",
        [](const Levels<const T>& levels, const Context& context, bool rows, bool columns) {
            std::vector<std::uint8_t> found;
            {
                const nb::gil_scoped_release release;
                found = archive::encode(std::span{levels.data(), levels.size()}, levels.shape(1), flat(context),
                                        {.rows = rows, .columns = columns});
            }
            return nb::bytes(found.data(), found.size());
        },
        "levels"_a, "context"_a.none() = nb::none(), nb::kw_only(), "rows"_a = false, "columns"_a = false);
    m.def(
        "decode_levels",
        [](const Bytes& bytes, const Levels<T>& out, const Context& context) {
            const nb::gil_scoped_release release;
            archive::decode(std::span{bytes.data(), bytes.size()}, std::span{out.data(), out.size()}, out.shape(1),
                            flat(context));
        },
        "data"_a, nb::arg("out").noconvert(), "context"_a.none() = nb::none());
}

}  // namespace

void bind_archive(nb::module_& m) {
    bind_levels<std::int8_t>(m);
    bind_levels<std::uint8_t>(m);
    bind_levels<std::int64_t>(m);
}

}  // namespace pentanet
