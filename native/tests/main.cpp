#include "check.h"
#include "pentanet/isa.h"

int main() {
    using namespace pentanet;
    test::kernels();
    test::floats();
    test::pool();
    test::timing();
    std::string names;
    for (const Isa* isa : supported_isas()) names.append(" ").append(isa->name);
    std::printf("%ld checks, %ld failures, instruction sets:%s\n", test::outcome.checks, test::outcome.failures,
                names.c_str());
    return test::outcome.failures == 0 && test::outcome.checks > 1000 ? 0 : 1;
}
