"""Named configurations, as TOML files of the package."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

from pentanet.config import Tree, from_tree, read_toml, with_overrides
from pentanet.errors import UnknownNameError
from pentanet.train.config import TrainConfig


def preset_names() -> list[str]:
    """Every preset, sorted."""
    return sorted(path.name.removesuffix(".toml") for path in files("pentanet.presets").iterdir() if _is_preset(path))


def load_config(name: str, overrides: list[str] | None = None) -> TrainConfig:
    """A preset by name, or a TOML file by path, with `key=value` overrides.

    Raises:
        UnknownNameError: no such preset; names the nearest one.
        ConfigError: a key, value or file that cannot be used.
    """
    return from_tree(TrainConfig, with_overrides(_tree(name), overrides or []), name)


def short_overrides(*, method: str = "", source: str = "", steps: int = 0, seed: int = -1) -> list[str]:
    """The settings that have an option of their own, as `key=value`; empty, 0 and -1 leave the preset's."""
    pairs = {
        "weights.method": json.dumps(method) if method else "",
        "data.source": json.dumps(source) if source else "",
        "steps": str(steps) if steps else "",
        "seed": str(seed) if seed >= 0 else "",
    }
    return [f"{key}={value}" for key, value in pairs.items() if value]


def _tree(name: str) -> Tree:
    if name.endswith(".toml"):
        return read_toml(Path(name))
    if name not in preset_names():
        raise UnknownNameError("preset", name, preset_names())
    return read_toml(Path(str(files("pentanet.presets") / f"{name}.toml")))


def _is_preset(path: object) -> bool:
    return str(getattr(path, "name", "")).endswith(".toml")
