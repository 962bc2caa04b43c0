// The choice of an instruction set: a name that is unknown, or that this machine does not have, is refused.

#include "pentanet/isa.h"

#include <algorithm>
#include <stdexcept>

#include "check.h"

namespace pentanet::test {
namespace {

bool refused(std::string_view name) {
    try {
        find_isa(name);
    } catch (const std::invalid_argument&) {
        return true;
    }
    return false;
}

}  // namespace

void isas() {
    const auto supported = supported_isas();
    check(!supported.empty() && supported.front()->name == "scalar", "the oracle is the first set");
    check(&find_isa("") == supported.back(), "the fastest set is taken");
    for (const Isa* isa : known_isas()) {
        const bool here = std::find(supported.begin(), supported.end(), isa) != supported.end();
        check(here == isa->supported() && refused(isa->name) != here, std::string(isa->name) + " is taken or refused");
    }
    check(refused("mmx") && refused("AVX2") && refused(" "), "unknown sets are refused");
}

}  // namespace pentanet::test
