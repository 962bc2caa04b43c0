// A test is a function that calls CHECK; the program fails if any check did.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstring>
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

// FNV-1a over the bits of results that must be the same on every machine and with every compiler. It is printed.
inline std::uint64_t digest = 0xcbf29ce484222325;

template <class T>
void add_to_digest(const T* values, std::size_t n) {
    std::string bytes(n * sizeof(T), '\0');
    std::memcpy(bytes.data(), values, bytes.size());
    for (const char byte : bytes) digest = (digest ^ static_cast<std::uint8_t>(byte)) * 0x100000001b3;
}

void codes();
void archive();
void arena();
void isas();
void attention();
void kernels(int every);
void floats();
void pool();
void timing();

}  // namespace pentanet::test
