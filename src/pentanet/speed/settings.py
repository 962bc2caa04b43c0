"""What `pentanet speed` measures, and for how long."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from pentanet.errors import ConfigError, UnknownNameError
from pentanet.families import LlamaConfig
from pentanet.format.layouts import LAYOUTS, layout
from pentanet.linear_options import Rounding
from pentanet.machine import usable_cores
from pentanet.runtime.engine import CacheType


@dataclass(frozen=True, kw_only=True, slots=True)
class Shape:
    """A network of the Llama family: its sizes and its vocabulary."""

    name: str
    network: LlamaConfig
    vocab: int


CONTEXT = 1024
"""Of the models measured: the text before the tokens that are timed, and these."""

MODELS: Mapping[str, Shape] = MappingProxyType(
    {
        shape.name: shape
        for shape in (
            Shape(
                name="llama-778m",
                network=LlamaConfig(
                    layers=24, width=1536, heads=16, kv_heads=16, hidden=4096, context=CONTEXT, sub_norms=False
                ),
                vocab=32_000,
            ),
            Shape(
                name="smollm2-135m",
                network=LlamaConfig(
                    layers=30,
                    width=576,
                    heads=9,
                    kv_heads=3,
                    hidden=1536,
                    context=CONTEXT,
                    sub_norms=False,
                    tie=True,
                    rope_theta=100_000.0,
                ),
                vocab=49_152,
            ),
        )
    }
)

_TINY = Shape(
    name="tiny",
    network=LlamaConfig(layers=2, width=64, heads=4, kv_heads=2, hidden=128, context=CONTEXT, sub_norms=False),
    vocab=512,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """What is measured.

    Attributes:
        threads: each count is measured on its own.
        layouts: names of layouts on disk.
        model: the whole model, or None.
        cache: how the model stores keys and values.
        activations: how the model rounds them; matrices alone always to int8, once.
        against: measure stock llama.cpp in turn with the model.
        rows, cols: shape of each matrix of a layout.
        buffer: bytes that the read limit is measured on, and that the matrices of a layout take at least together.
        prompts: tokens of a prefill.
        past: tokens of context behind which the overhead beyond the linears is measured.
        seconds: for each measurement of a layout; one of a model takes a few times longer.
    """

    threads: tuple[int, ...]
    layouts: tuple[str, ...]
    model: Shape | None
    cache: CacheType = "float32"
    activations: Rounding = "int8"
    against: bool = False
    rows: int = 4096
    cols: int = 4096
    buffer: int = 256 << 20
    prompts: tuple[int, ...] = (128, 512)
    past: int = 512
    seconds: float = 1.0


def speed_settings(
    *,
    threads: Sequence[int] = (),
    layouts: Sequence[str] = (),
    model: str = "llama-778m",
    cache: CacheType = "float32",
    activations: Rounding = "int8",
    against: bool = False,
    quick: bool = False,
) -> Settings:
    """Settings for a run.

    Args:
        threads: by default 1, and one for each core.
        layouts: names; all by default.
        model: a name of MODELS, or "none".
        cache: how the model stores keys and values.
        activations: how the model rounds them.
        against: also measure stock llama.cpp, in turn with the model.
        quick: tiny shapes and a moment for each measurement: whether it works, not how fast it is.

    Raises:
        ConfigError: no thread, or more than this process has cores; `against` without a model.
        UnknownNameError: no such layout or model.
    """
    cores = usable_cores()
    chosen = tuple(dict.fromkeys(threads or (1, cores)))
    for count in chosen:
        if not 1 <= count <= cores:
            raise ConfigError(f"--threads {count}: this process may use {cores} cores, so 1 to {cores}")
    for name in layouts:
        layout(name)
    if model != "none" and model not in MODELS:
        raise UnknownNameError("model", model, (*MODELS, "none"))
    if against and model == "none":
        raise ConfigError("--against measures llama.cpp in turn with a model: leave out --model none")
    names = tuple(dict.fromkeys(layouts)) or tuple(LAYOUTS)
    shape = MODELS.get(model)
    if not quick:
        return Settings(
            threads=chosen, layouts=names, model=shape, cache=cache, activations=activations, against=against
        )
    return Settings(
        threads=chosen,
        layouts=names,
        model=None if shape is None else _TINY,
        cache=cache,
        activations=activations,
        against=against,
        rows=64,
        cols=240,
        buffer=1 << 20,
        seconds=0.01,
    )
