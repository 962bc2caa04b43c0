"""Which pretrained networks are read, and what their files leave unsaid: each family knows its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pentanet.errors import UnsupportedArchitectureError
from pentanet.families import FAMILIES, Family
from pentanet.families.checkpoints import Checkpoints


def supported() -> list[str]:
    """Model types of the networks that are read."""
    return [kind for family in FAMILIES.values() if family.checkpoints for kind in family.checkpoints.model_types]


def complete(config: Mapping[str, Any], where: str) -> dict[str, Any]:
    """A config.json with every key that its family has a default for, and without a quantization.

    Raises:
        UnsupportedArchitectureError: not one of `supported`, or quantized already.
    """
    kind = str(config.get("model_type"))
    found = _find(kind)
    if found is None:
        raise UnsupportedArchitectureError(
            f"{where}: model_type '{kind:.40}' is not supported. Supported: {', '.join(supported())} "
            "(SmolLM2, Llama 1 to 3 and others have model_type llama, Qwen2.5 has qwen2)."
        )
    if config.get("quantization_config") is not None:
        raise UnsupportedArchitectureError(
            f"{where}: it is quantized already (quantization_config in config.json). Start from the original weights."
        )
    given = {key: value for key, value in config.items() if key not in ("quantization_config", "_name_or_path")}
    return found[1].complete(given)


def full_name(name: str, kind: str) -> str:
    """A tensor's name in the network: some files leave the name of the trunk out."""
    found = _find(kind)
    if found is None or not found[1].trunk:
        return name
    family, checkpoints = found
    whole = name.startswith((f"{checkpoints.trunk}.", f"{family.head}."))
    return name if whole else f"{checkpoints.trunk}.{name}"


def transposed(name: str, kind: str) -> bool:
    """Whether a file has a matrix as [inputs, outputs]."""
    found = _find(kind)
    return found is not None and found[1].transposed is not None and found[1].transposed.search(name) is not None


def harmless(name: str, config: Mapping[str, Any]) -> bool:
    """Whether a tensor that the network does not need may be there: constants, and a copy of a tied head."""
    found = _find(str(config.get("model_type")))
    if found is None:
        return False
    family, checkpoints = found
    copy = name == f"{family.head}.weight" and bool(config.get("tie_word_embeddings"))
    return copy or checkpoints.constants.search(name) is not None


def _find(kind: str) -> tuple[Family[Any], Checkpoints] | None:
    for family in FAMILIES.values():
        if family.checkpoints is not None and kind in family.checkpoints.model_types:
            return family, family.checkpoints
    return None
