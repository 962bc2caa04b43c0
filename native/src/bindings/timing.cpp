// pentanet._native.Timing: see timing.h. Every method returns lists with a number per round.

#include <nanobind/stl/pair.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <stdexcept>
#include <tuple>

#include "bindings/module.h"
#include "pentanet/timing.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace pentanet {
namespace {

using Series = std::vector<double>;

std::pair<Series, Series> products(Timing& timing, const std::vector<std::shared_ptr<Held>>& held, int tokens,
                                   bool read, double seconds) {
    std::vector<const CodedMatrix*> matrices;
    for (const auto& one : held) {
        const auto* matrix = std::get_if<CodedMatrix>(&one->matrix);
        if (matrix == nullptr) throw std::invalid_argument("not a coded matrix");
        matrices.push_back(matrix);
    }
    const nb::gil_scoped_release release;
    const auto found = timing.products(matrices, tokens, read, seconds);
    return {found.limit, found.seconds};
}

std::tuple<Series, Series, Series> decode(Timing& timing, Session& session, int past, int tokens, double seconds) {
    const nb::gil_scoped_release release;
    const auto found = timing.decode(session, past, tokens, seconds);
    return {found.read, found.seconds, found.linears};
}

std::pair<Series, Series> prompt(Timing& timing, Session& session, int tokens, double seconds) {
    const nb::gil_scoped_release release;
    const auto found = timing.prompt(session, tokens, seconds);
    return {found.multiply, found.seconds};
}

}  // namespace

void bind_timing(nb::module_& m) {
    nb::class_<Timing>(m, "Timing", "Times kernels and models beside the limits of the machine.")
        .def(
            "__init__",
            [](Timing* self, int threads, std::size_t bytes, const std::string& isa) {
                new (self) Timing(find_isa(isa), threads, bytes);
            },
            nb::kw_only(), "threads"_a, "bytes"_a, "isa"_a = "")
        .def_prop_ro("threads", &Timing::threads)
        .def("products", products, "matrices"_a, nb::kw_only(), "tokens"_a, "read"_a, "seconds"_a,
             "(limit, seconds of a product with each matrix); the limit is in bytes or operations per second.")
        .def("decode", decode, "session"_a, nb::kw_only(), "past"_a, "tokens"_a, "seconds"_a,
             "(bytes read per second, seconds per token, of which linears).")
        .def("prompt", prompt, "session"_a, nb::kw_only(), "tokens"_a, "seconds"_a,
             "(operations per second, seconds of a prompt).");
}

}  // namespace pentanet
