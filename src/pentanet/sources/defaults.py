"""Which pretrained networks are read, and how their files differ from the network: each family knows its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from pentanet.errors import UnsupportedArchitectureError
from pentanet.families import FAMILIES, Family
from pentanet.families.checkpoints import Checkpoints


def supported() -> list[str]:
    """Model types of the networks that are read."""
    return [kind for family in FAMILIES.values() if family.checkpoints for kind in family.checkpoints.model_types]


def require_supported(config: Mapping[str, Any], where: str, *, rounded: bool = False) -> None:
    """Refuse a network that is not read, or whose training rounds its weights.

    Args:
        config: config.json.
        where: its directory or file, for messages.
        rounded: let the latter pass.

    Raises:
        UnsupportedArchitectureError: another model type than those of `supported`; weights that are quantized.
    """
    kind, section = str(config.get("model_type")), config.get("quantization_config")
    found = _find(kind)
    if found is not None and not rounded:
        method = cast("dict[str, object]", section).get("quant_method") if isinstance(section, dict) else None
        if method == "bitnet" or kind in found[1].rounded:
            raise UnsupportedArchitectureError(
                f"{where}: a BitNet, whose training rounds its weights to -1, 0 and 1. `pentanet import` takes them as "
                "they are, packed or as bfloat16 masters; rounding them in another way would make a worse model."
            )
    if found is None:
        raise UnsupportedArchitectureError(
            f"{where}: model_type '{kind:.40}' is not supported. Supported: {', '.join(supported())} "
            "(SmolLM2, Llama 1 to 3 and others have model_type llama, Qwen2.5 has qwen2)."
        )
    if section is not None and not rounded:
        raise UnsupportedArchitectureError(
            f"{where}: it is quantized already (quantization_config in config.json). Start from the original weights."
        )


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


def constant(name: str, kind: str) -> bool:
    """Whether a tensor is one of those that older releases stored and that follow from the sizes."""
    found = _find(kind)
    return found is not None and found[1].constants.search(name) is not None


def head_of(kind: str) -> str:
    """Name of the matrix that makes logits, which a tied network does not need."""
    found = _find(kind)
    return f"{found[0].head}.weight" if found is not None else ""


def harmless(name: str, config: Mapping[str, Any]) -> bool:
    """Whether a tensor that the network does not need may be there: constants, and a copy of a tied head."""
    kind = str(config.get("model_type"))
    return constant(name, kind) or (name == head_of(kind) and bool(config.get("tie_word_embeddings")))


def _find(kind: str) -> tuple[Family[Any], Checkpoints[Any]] | None:
    for family in FAMILIES.values():
        found = family.checkpoints
        if found is not None and kind in (*found.model_types, *found.rounded):
            return family, found
    return None
