"""Named configurations: TOML files of the package, and a table of the Spectra suite that makes eighteen more."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

from pentanet.config import Tree, from_tree, read_toml, with_overrides
from pentanet.errors import UnknownNameError
from pentanet.training.config import TrainConfig


def preset_names() -> list[str]:
    """Every preset, sorted."""
    found = [path.name.removesuffix(".toml") for path in files("pentanet.presets").iterdir() if _is_preset(path)]
    return sorted([*found, *_spectra()])


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
    if name in (suite := _spectra()):
        return suite[name]
    return read_toml(Path(str(files("pentanet.presets") / f"{name}.toml")))


def _spectra() -> dict[str, Tree]:
    """A configuration for each arm and size of presets/tables/spectra.toml."""
    table = read_toml(Path(str(files("pentanet.presets") / "tables/spectra.toml")))
    found: dict[str, Tree] = {}
    for size, row in table["sizes"].items():
        shape = {key: row[key] for key in ("layers", "width", "hidden", "heads")}
        for arm, changes in table["arms"].items():
            rates = row[arm]["rates"]
            pairs = {**{f"model.{key}": value for key, value in shape.items()}, "model.kv_heads": row["heads"]}
            pairs["optimizer.lr"] = rates[0]
            if len(rates) == 2:
                pairs["schedule.drop_to"] = rates[1] / rates[0]
            pairs |= {f"{part}.{key}": value for part in changes for key, value in changes[part].items()}
            found[f"{arm}-{size}"] = with_overrides(table["common"], [f"{k}={json.dumps(v)}" for k, v in pairs.items()])
    return found


def _is_preset(path: object) -> bool:
    return str(getattr(path, "name", "")).endswith(".toml")
