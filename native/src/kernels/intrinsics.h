// The intrinsics of x86.
#pragma once

#include <immintrin.h>

// The vector is in a register here, and code is not moved across.
#define PENTANET_KEEP(vector) asm volatile("" : "+v"(vector))
