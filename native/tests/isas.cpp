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
    const auto fastest =
        std::find_if(supported.rbegin(), supported.rend(), [](const Isa* isa) { return !isa->by_name_only; });
    check(&find_isa("") == *fastest, "the fastest set is taken, and none that is by name only");
    for (const Isa* isa : known_isas()) {
        const bool here = std::find(supported.begin(), supported.end(), isa) != supported.end();
        check(here == isa->supported() && refused(isa->name) != here, std::string(isa->name) + " is taken or refused");
    }
    check(refused("mmx") && refused("AVX2") && refused(" "), "unknown sets are refused");
}

}  // namespace pentanet::test
