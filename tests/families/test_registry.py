"""The records agree with each other, and nothing outside of the families knows one by its names."""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

import pentanet
from pentanet.errors import ConfigError
from pentanet.families import FAMILIES, LlamaConfig, config_from_hub, family_of
from pentanet.families.registry import family_of_type, trained_configs

PACKAGE = Path(pentanet.__file__).parent
NAMES = ("lm_head", "embed_tokens", ".wte", ".wpe", "self_attn", "c_attn", "pentanet-gpt")
CONFIGS = {family.config.__name__ for family in FAMILIES.values()}


def outside() -> Iterator[tuple[str, ast.AST]]:
    """Each node of the sources that are not of the families, without docstrings."""
    for path in sorted(PACKAGE.rglob("*.py")):
        relative = path.relative_to(PACKAGE)
        if relative.parts[0] != "families":
            tree = ast.parse(path.read_text())
            said = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
            yield from ((str(relative), node) for node in ast.walk(tree) if id(node) not in said)


def of_a_family(node: ast.AST) -> bool:
    """Whether a node is a tensor's name, or asks for the class of a configuration."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return any(name in node.value for name in NAMES)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "isinstance":
        return any(isinstance(part, ast.Name) and part.id in CONFIGS for part in ast.walk(node))
    return isinstance(node, ast.MatchClass) and isinstance(node.cls, ast.Name) and node.cls.id in CONFIGS


def test_families_are_known_by_their_names_in_their_folders_alone() -> None:
    assert {name for name, node in outside() if of_a_family(node)} == set()


@pytest.mark.parametrize(
    "source",
    ['x = "lm_head.weight"', "isinstance(c, (int, LlamaConfig))", "match c:\n    case GPTConfig():\n        pass"],
)
def test_a_name_outside_is_seen(source: str) -> None:
    assert any(of_a_family(node) for node in ast.walk(ast.parse(source)))


def test_a_model_type_is_of_one_family() -> None:
    types = [kind for family in FAMILIES.values() for kind in family.model_types]
    assert len(types) == len(set(types))
    for family in FAMILIES.values():
        assert all(family_of_type(kind) is family for kind in family.model_types)
        assert family.checkpoints is None or set(family.checkpoints.model_types) <= set(family.model_types)
        assert family.gguf is None or set(family.gguf.architectures) <= set(family.model_types)


def test_a_trained_configuration_names_its_family() -> None:
    found = trained_configs()
    assert found[0] is LlamaConfig  # meant where none is named
    for config in found:
        field = dataclasses.fields(config)[0]
        assert field.name == "family"
        assert family_of(config()).name == field.default


def test_a_model_type_that_no_family_has() -> None:
    with pytest.raises(ConfigError, match=r"'mamba' is not supported; known: llama, .*gpt2, pentanet-gpt"):
        config_from_hub({"model_type": "mamba"})
