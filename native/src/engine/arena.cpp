#include "pentanet/arena.h"

#include <algorithm>
#include <fstream>
#include <string>
#include <utility>

namespace pentanet {

bool huge_pages() {
    std::ifstream file("/sys/kernel/mm/transparent_hugepage/enabled");  // "always [madvise] never"
    std::string choices;
    return std::getline(file, choices) && choices.find("[never]") == std::string::npos;
}

std::uint8_t* Arena::take(std::size_t size) {
    constexpr std::size_t line = 64;
    size = (size + line - 1) / line * line;
    if (slabs_.empty() || slabs_.back().size() - used_ < size) {
        slabs_.emplace_back(std::max(slab_, size));
        used_ = 0;
    }
    return slabs_.back().data() + std::exchange(used_, used_ + size);
}

}  // namespace pentanet
