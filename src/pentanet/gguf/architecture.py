"""Which networks llama.cpp has, by its names of them: each family knows its own."""

from __future__ import annotations

from typing import Any

from pentanet.errors import ExportError
from pentanet.families import FAMILIES, ModelConfig, family_of
from pentanet.families.gguf_names import GgufNames
from pentanet.format.packed_model import PackedModel
from pentanet.format.tensors import CodedSpec, TensorSpec


def architectures() -> dict[str, GgufNames[Any]]:
    """The families that are read from GGUF, by llama.cpp's names of their networks."""
    named = [family.gguf for family in FAMILIES.values() if family.gguf is not None]
    return {architecture: names for names in named for architecture in names.architectures.values()}


def architecture(packed: PackedModel, config: ModelConfig) -> tuple[str, GgufNames[Any]]:
    """llama.cpp's name of a network, and its names of the tensors.

    Raises:
        ExportError: stock llama.cpp does not have it.
    """
    family = family_of(config)
    names = family.gguf
    if names is None:
        raise _not_run(packed, f"networks of the family '{family.name}' are not exported")
    what = names.refusal(config)
    if not what and packed.low_rank != "none":
        what = "paths of low rank beside the linears"
    elif not what and packed.activations not in ("none", "int8"):
        what = f"inputs that are rounded by learned steps or rotated ('{packed.activations}')"
    if what:
        raise _not_run(packed, what)
    found = names.architecture(config)
    for name, spec in packed.specs.items():
        _check_matrix(packed, name, spec, names, found)
    return found, names


def _check_matrix(packed: PackedModel, name: str, spec: TensorSpec, names: GgufNames[Any], found: str) -> None:
    if not isinstance(spec, CodedSpec):
        return
    if spec.bias and not names.has_bias(name, found):
        raise _not_run(packed, f"a bias of '{name}'")
    if spec.planes > 1:
        raise ExportError(f"{packed.path}: stock llama.cpp adds no matrices up: '{name}' has {spec.planes} planes")


def _not_run(packed: PackedModel, what: str) -> ExportError:
    return ExportError(f"{packed.path}: stock llama.cpp does not run this network: {what}")
