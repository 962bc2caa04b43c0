"""Run any model: a packed directory, or an original beside it to compare with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pentanet.errors import ConfigError, PentaNetError, UnsupportedModelError
from pentanet.format.model_dir import QUANT_METHOD, read_config
from pentanet.format.packed_model import CONFIG
from pentanet.linear_options import RoundingChoice
from pentanet.runtime.engine import CacheType, Engine
from pentanet.runtime.predictor import Choice, open_predictor
from pentanet.runtime.sampling import Sampling
from pentanet.runtime.stream import Predictor, stream

if TYPE_CHECKING:
    from pentanet.runtime.load import Runtime


def is_original(path: str | Path) -> bool:
    """Whether a path is a .gguf file, or a model directory that is not packed; a config.json decides."""
    path = Path(path)
    if path.suffix == ".gguf" and path.is_file():
        return True
    try:
        found = read_config(path / CONFIG).get("quantization_config")
    except PentaNetError:
        return False  # what opens it as packed says what is wrong
    return not isinstance(found, dict) or found.get("quant_method") != QUANT_METHOD  # pyright: ignore[reportUnknownMemberType]


def open_any(
    path: str | Path,
    choice: Choice = "auto",
    threads: int = 0,
    cache: CacheType = "float32",
    activations: RoundingChoice = "auto",
    *,
    pin: bool = False,
    allow_pickle: bool = False,
) -> Engine | Runtime:
    """Open a model to generate with or to measure.

    A packed directory is opened by `pentanet.runtime.predictor.open_predictor`.  An original, a directory of the hub or
    a .gguf file, runs in torch with all its weights in float32.

    Raises:
        UnsupportedModelError: "native" for an original, which the engine does not run; or as `open_predictor`.
        ConfigError: activations that are rounded, for an original.
        EngineError, FormatError, TokenizerMismatchError: as `open_predictor`, and as `open_source`.
    """
    if not is_original(path):
        return open_predictor(path, choice, threads, cache, activations, pin=pin)
    if choice == "native":
        raise UnsupportedModelError(f"{path}: is not packed, and the native engine runs packed models. Use torch.")
    if activations != "auto":
        raise ConfigError(f"{path}: is not packed, so its activations are not rounded. Leave out --activations.")
    from pentanet.sources.float_network import load_original  # torch, which the native engine does without

    return load_original(path, allow_pickle=allow_pickle)


def open_runtime(path: str | Path, activations: RoundingChoice = "auto", *, allow_pickle: bool = False) -> Runtime:
    """Open a model in torch.  Arguments and errors as `open_any`."""
    found = open_any(path, "torch", activations=activations, allow_pickle=allow_pickle)
    assert not isinstance(found, Engine), "torch was asked for"
    return found


def generate(
    model: Predictor | str | Path,
    prompt: str | Sequence[int],
    tokens: int = 100,
    sampling: Sampling | None = None,
    *,
    stops: Sequence[str] = (),
) -> Iterator[str]:
    """Continue `prompt` by up to `tokens` tokens, in pieces of whole characters as they come.

    Args:
        model: the path of a model, which runs in the native engine where that can: see `open_any`; or an open `Engine`
            or `Runtime`.
        prompt: text, or token ids.
        tokens: how many to write at most.
        sampling: how tokens are drawn.
        stops: strings that end the text.  `pentanet.runtime.stream.stream` has the details of these four.

    Raises:
        EngineError, FormatError, TokenizerMismatchError: as `open_any`.
        ConfigError, EmptyTextError, EncodingError, NonFiniteActivationError: as `pentanet.runtime.stream.stream`.
    """
    predictor = open_any(model) if isinstance(model, str | Path) else model
    return (token.text for token in stream(predictor, prompt, tokens, sampling, stops=stops) if token.text)
