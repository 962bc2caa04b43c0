#include <algorithm>
#include <cstdlib>

#include "check.h"
#include "pentanet/isa.h"

// An argument n runs every n-th product only, for machines that are simulated.
int main(int count, char** arguments) {
    using namespace pentanet;
    test::isas();
    test::codes();
    test::archive();
    test::arena();
    test::kernels(count > 1 ? std::max(1, std::atoi(arguments[1])) : 1);
    test::floats();
    test::attention();
    test::pool();
    test::timing();
    std::string names;
    for (const Isa* isa : supported_isas()) names.append(" ").append(isa->name);
    std::printf("%ld checks, %ld failures, float digest %016llx, instruction sets:%s\n", test::outcome.checks,
                test::outcome.failures, static_cast<unsigned long long>(test::digest), names.c_str());
    return test::outcome.failures == 0 && test::outcome.checks > 1000 ? 0 : 1;
}
