"""Named configurations: TOML files of the package, and a table of the Spectra suite that makes eighteen more."""

from __future__ import annotations

import itertools
import json
import re
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from pentanet.config import Tree, from_tree, read_toml, with_overrides
from pentanet.errors import UnknownNameError
from pentanet.training.config import TrainConfig

_ARXIV = re.compile(r"\b\d{4}\.\d{5}\b")


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


@dataclass(frozen=True, kw_only=True, slots=True)
class Preset:
    """What a preset is.

    Attributes:
        title: one line.
        paper: arXiv number that its file names; "" for none.
        method: weight method, unless another one is asked for.
        layers, width, context: of the network.
        steps, tokens: that it trains for.
    """

    name: str
    title: str
    paper: str
    method: str
    layers: int
    width: int
    context: int
    steps: int
    tokens: int

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON can hold them."""
        return asdict(self)


def describe_presets() -> list[Preset]:
    """Every preset; its title is the first sentence of the comment that its file begins with."""
    return [_described(name) for name in preset_names()]


def _described(name: str) -> Preset:
    config = load_config(name)
    arm, _, size = name.partition("-")
    own = name not in _spectra()
    about = _comment(f"{name}.toml" if own else "tables/spectra.toml")
    title = about.split(". ")[0].rstrip(".") if own else f"{arm} of {size.upper()} parameters, of the Spectra suite"
    paper = _ARXIV.search(about)
    return Preset(
        name=name,
        title=title,
        paper=paper[0] if paper else "",
        method=config.weights.method,
        layers=config.model.layers,
        width=config.model.width,
        context=config.model.context,
        steps=config.steps,
        tokens=config.tokens,
    )


def _comment(file: str) -> str:
    """The comment at the start of a file of the package."""
    lines = Path(str(files("pentanet.presets") / file)).read_text(encoding="utf-8").splitlines()
    return " ".join(line.removeprefix("#").strip() for line in itertools.takewhile(lambda x: x.startswith("#"), lines))


def short_overrides(*, method: str = "", source: str = "", steps: int = 0, seed: int = -1, init: str = "") -> list[str]:
    """The settings that have an option of their own, as `key=value`; empty, 0 and -1 leave the preset's."""
    pairs = {
        "weights.method": json.dumps(method) if method else "",
        "data.source": json.dumps(source) if source else "",
        "init": json.dumps(init) if init else "",
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
