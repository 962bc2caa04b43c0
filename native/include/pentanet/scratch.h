// Memory for what lives as long as a product.
#pragma once

#include <cstddef>
#include <type_traits>
#include <utility>

#include "pentanet/buffer.h"

namespace pentanet {

// An array on a 64-byte boundary, not initialized. It takes the memory of an earlier one of its thread: each page of a
// new large one costs a fault, which was 5 % of the time of a prefill.
template <class T>
class Scratch {
    static_assert(std::is_trivial_v<T>);

public:
    explicit Scratch(std::size_t size) : bytes_(std::exchange(spare(), {})) {
        if (bytes_.size() < size * sizeof(T)) bytes_ = Buffer(size * sizeof(T));
    }
    ~Scratch() {
        if (bytes_.data() != nullptr && bytes_.size() > spare().size()) spare() = std::move(bytes_);
    }
    Scratch(Scratch&&) noexcept = default;
    Scratch& operator=(Scratch&& other) noexcept {
        std::swap(bytes_, other.bytes_);
        return *this;
    }

    T* data() { return reinterpret_cast<T*>(bytes_.data()); }
    const T* data() const { return reinterpret_cast<const T*>(bytes_.data()); }

private:
    static Buffer& spare() {
        thread_local Buffer spare;
        return spare;
    }
    Buffer bytes_;
};

}  // namespace pentanet
