// What the files of the Python module share.
#pragma once

#include <nanobind/nanobind.h>

#include "pentanet/matrix.h"

namespace pentanet {

// A matrix and the arrays that it borrows.
struct Held {
    Matrix matrix;
    nanobind::object bytes, scales, bias;
};

void bind_archive(nanobind::module_& m);
void bind_timing(nanobind::module_& m);

}  // namespace pentanet
