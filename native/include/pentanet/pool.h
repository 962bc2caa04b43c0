// A few threads that wait for loops to share.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace pentanet {

inline constexpr int most_threads = 1024;

// The caller is one of the threads. Work is split statically, so the same thread always does the same part.
// One loop at a time: run() must not be called from two threads, nor from inside a loop.
class Pool {
public:
    // `pin` keeps each thread, the one that calls this too, on a core of its own of those that the process may use;
    // with more threads than cores they share. Throws std::runtime_error where the system cannot do that, and
    // std::invalid_argument for more than most_threads, or more than the system starts.
    explicit Pool(int threads, bool pin = false);
    ~Pool();
    Pool(const Pool&) = delete;
    Pool& operator=(const Pool&) = delete;

    int threads() const { return static_cast<int>(workers_.size()) + 1; }

    // Calls body(begin, end) on each thread for its part of 0..count-1, and returns when all are done. `body` must not
    // throw.
    template <class Body>
    void run(std::size_t count, Body&& body) {
        if (workers_.empty() || count < 2) {
            if (count > 0) body(std::size_t{0}, count);
            return;
        }
        using Stored = std::remove_reference_t<Body>;
        count_ = count;
        body_ = const_cast<void*>(static_cast<const void*>(std::addressof(body)));
        call_ = [](void* stored, std::size_t begin, std::size_t end) { (*static_cast<Stored*>(stored))(begin, end); };
        run_parts();
    }

private:
    void stop();
    void run_parts();
    void run_part(std::size_t part);
    void work(std::size_t part);

    std::size_t count_ = 0;
    void* body_ = nullptr;
    void (*call_)(void*, std::size_t, std::size_t) = nullptr;
    std::atomic<std::uint32_t> round_{0};    // counts up to start a loop
    std::atomic<std::uint32_t> working_{0};  // workers that are not done
    std::atomic<bool> stopping_{false};
    std::vector<std::thread> workers_;
};

}  // namespace pentanet
