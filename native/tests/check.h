// A test is a function that calls CHECK; the program fails if any check did.
#pragma once

#include <cstdio>
#include <string>

namespace pentanet::test {

struct Outcome {
    long checks = 0;
    long failures = 0;
};

inline Outcome outcome;

inline bool check(bool holds, const std::string& what) {
    ++outcome.checks;
    if (!holds && ++outcome.failures <= 20) std::printf("FAILED: %s\n", what.c_str());
    return holds;
}

void kernels(int every);
void floats();
void pool();
void timing();

}  // namespace pentanet::test
