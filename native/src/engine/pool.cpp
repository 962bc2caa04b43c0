#include "pentanet/pool.h"

#if defined(__linux__)
#include <sched.h>
#endif

#include <stdexcept>
#include <string>
#include <system_error>

namespace pentanet {
namespace {

// Looks before a thread goes to sleep: some ten microseconds, the gap between two layers.
constexpr int patience = 2000;

void pause() {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

// Waits until `value` is no longer `old`.
std::uint32_t wait_for_change(const std::atomic<std::uint32_t>& value, std::uint32_t old) {
    for (int look = 0; look < patience; ++look) {
        const std::uint32_t now = value.load(std::memory_order_acquire);
        if (now != old) return now;
        pause();
    }
    value.wait(old, std::memory_order_acquire);
    return value.load(std::memory_order_acquire);
}

#if defined(__linux__)
std::vector<int> usable_cores() {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0) throw std::runtime_error("this system does not tell its cores");
    std::vector<int> cores;
    for (int core = 0; core < CPU_SETSIZE; ++core)
        if (CPU_ISSET(core, &set)) cores.push_back(core);
    return cores;
}

// Of the calling thread. A core that was taken away meanwhile is no reason to stop.
void stay_on(int core) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(core, &set);
    sched_setaffinity(0, sizeof set, &set);
}
#else
std::vector<int> usable_cores() { throw std::runtime_error("threads can be pinned on Linux alone"); }
void stay_on(int) {}
#endif

}  // namespace

Pool::Pool(int threads, bool pin) {
    if (threads > most_threads)
        throw std::invalid_argument(std::to_string(threads) + " threads: at most " + std::to_string(most_threads));
    const std::vector<int> cores = pin ? usable_cores() : std::vector<int>{};
    try {
        for (int part = 1; part < threads; ++part)
            workers_.emplace_back([this, part = static_cast<std::size_t>(part), cores] {
                if (!cores.empty()) stay_on(cores[part % cores.size()]);
                work(part);
            });
    } catch (const std::system_error&) {
        const std::string started = std::to_string(workers_.size() + 1);
        stop();
        throw std::invalid_argument(std::to_string(threads) + " threads: the system starts only " + started);
    }
    if (!cores.empty()) stay_on(cores[0]);
}

Pool::~Pool() { stop(); }

void Pool::stop() {
    stopping_.store(true, std::memory_order_relaxed);
    round_.fetch_add(1, std::memory_order_release);
    round_.notify_all();
    for (auto& worker : workers_) worker.join();
}

void Pool::run_parts() {
    working_.store(static_cast<std::uint32_t>(workers_.size()), std::memory_order_relaxed);
    round_.fetch_add(1, std::memory_order_release);
    round_.notify_all();
    run_part(0);
    while (const std::uint32_t left = working_.load(std::memory_order_acquire)) wait_for_change(working_, left);
}

void Pool::run_part(std::size_t part) {
    const std::size_t parts = workers_.size() + 1;
    const std::size_t begin = count_ * part / parts, end = count_ * (part + 1) / parts;
    if (begin < end) call_(body_, begin, end);
}

void Pool::work(std::size_t part) {
    std::uint32_t seen = 0;
    while (true) {
        seen = wait_for_change(round_, seen);
        if (stopping_.load(std::memory_order_relaxed)) return;
        run_part(part);
        if (working_.fetch_sub(1, std::memory_order_acq_rel) == 1) working_.notify_one();
    }
}

}  // namespace pentanet
