// Memory for weights.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace pentanet {

// Bytes on a 64-byte boundary, not initialized: the thread that writes a page first takes it. Large ones ask for huge
// pages, which are read 6 to 16 % faster than pages of 4 KiB.
class Buffer {
public:
    Buffer() = default;
    explicit Buffer(std::size_t size) : size_(size) {
        constexpr std::size_t huge = std::size_t{2} << 20, line = 64;
        const std::size_t boundary = size < huge ? line : huge;
        bytes_.reset(
            static_cast<std::uint8_t*>(std::aligned_alloc(boundary, (size + boundary - 1) / boundary * boundary)));
        if (!bytes_) throw std::bad_alloc();
#if defined(MADV_HUGEPAGE)
        if (boundary == huge) madvise(bytes_.get(), size, MADV_HUGEPAGE);  // advice: slower where it is not taken
#endif
    }

    std::uint8_t* data() const { return bytes_.get(); }
    std::size_t size() const { return size_; }

private:
    struct Free {
        void operator()(std::uint8_t* p) const { std::free(p); }
    };
    std::unique_ptr<std::uint8_t[], Free> bytes_;
    std::size_t size_ = 0;
};

}  // namespace pentanet
