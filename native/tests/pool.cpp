#include "pentanet/pool.h"

#if defined(__linux__)
#include <sched.h>
#endif

#include <chrono>
#include <numeric>
#include <stdexcept>
#include <string>

#include "check.h"

namespace pentanet::test {
namespace {

#if defined(__linux__)
// -1 if the system does not tell. Checks count without a lock, so none is made here, where workers come by.
int cores_of_this_thread() {
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : -1;
}

// Each thread stays on one core, and only where that was asked for.
void pinning() {
    const int before = cores_of_this_thread();
    check(before > 0, "cores of a thread");
    for (const bool pin : {false, true})
        std::thread([=] {  // its own thread, so that the others stay free
            Pool pool(3, pin);
            std::vector<int> cores(3);
            pool.run(3, [&](std::size_t begin, std::size_t end) {
                for (std::size_t i = begin; i < end; ++i) cores[i] = cores_of_this_thread();
            });
            check(cores == std::vector<int>(3, pin ? 1 : before), pin ? "pinned threads" : "free threads");
        })
            .join();
    check(cores_of_this_thread() == before, "the thread that did not ask");
}
#else
void pinning() {}
#endif

}  // namespace

// Each index is visited once, whatever the threads, in busy rounds and after the workers fell asleep.
void pool() {
    for (const int threads : {1, 2, 3, 5}) {
        Pool pool(threads);
        check(pool.threads() == threads, "threads");
        for (int round = 0; round < 200; ++round) {
            if (round % 50 == 49) std::this_thread::sleep_for(std::chrono::milliseconds(2));
            const std::size_t count = static_cast<std::size_t>(round % 23);
            std::vector<int> visits(count);
            pool.run(count, [&](std::size_t begin, std::size_t end) {
                for (std::size_t i = begin; i < end; ++i) ++visits[i];
            });
            check(visits == std::vector<int>(count, 1), "visits with " + std::to_string(threads) + " threads");
        }
    }
    pinning();
    bool refused = false;
    try {
        Pool(most_threads + 1);
    } catch (const std::invalid_argument&) {
        refused = true;
    }
    check(refused, "too many threads are refused");
}

}  // namespace pentanet::test
