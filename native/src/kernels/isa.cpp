#include "pentanet/isa.h"

#include <array>
#include <stdexcept>

#include "kernels/shift_add/isa.h"

namespace pentanet {

extern const Isa scalar_isa;
#if defined(PENTANET_X86)
extern const Isa avx2_isa, avx_vnni_isa, avx512_isa;
#endif
#if defined(PENTANET_NEON)
extern const Isa neon_isa;
#endif

std::span<const Isa* const> known_isas() {
    static const std::array known{
        &scalar_isa,
#if defined(PENTANET_X86)
        &avx2_isa,
        &avx_vnni_isa,
        &avx512_isa,
#endif
#if defined(PENTANET_NEON)
        &neon_isa,
#endif
        &shift_add::scalar(),
#if defined(PENTANET_X86)
        &shift_add::avx2(),
#endif
    };
    return known;
}

std::vector<const Isa*> supported_isas() {
    std::vector<const Isa*> found;
    for (const Isa* isa : known_isas())
        if (isa->supported()) found.push_back(isa);
    return found;
}

const Isa& find_isa(std::string_view name) {
    if (name.empty()) {
        const Isa* fastest = nullptr;
        for (const Isa* isa : supported_isas())
            if (!isa->by_name_only) fastest = isa;
        return *fastest;
    }
    std::string names;
    for (const Isa* isa : known_isas()) {
        if (isa->name == name && isa->supported()) return *isa;
        names += names.empty() ? "" : ", ";
        names += isa->name;
        if (!isa->supported()) names += " (not on this machine)";
    }
    throw std::invalid_argument("unknown or unsupported instruction set '" + std::string(name) + "'. Known: " + names +
                                ".");
}

}  // namespace pentanet
