#include "pentanet/pool.h"

#include <chrono>
#include <numeric>

#include "check.h"

namespace pentanet::test {

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
}

}  // namespace pentanet::test
