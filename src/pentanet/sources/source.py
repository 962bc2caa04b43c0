"""A pretrained model to be quantized: its config.json, its tokenizer, and rows of its tensors as they are needed.

Nothing is loaded when a source is opened.  What its files say is held against the network that config.json describes,
before anything is allocated on its word.
"""

from __future__ import annotations

import hashlib
import json
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor

from pentanet.data.tokenizer import parse
from pentanet.errors import (
    ConfigError,
    DataError,
    MissingTensorError,
    ModelConfigError,
    NonFiniteWeightError,
    ShapeError,
    UnexpectedTensorError,
)
from pentanet.families import ModelConfig, canonical_config, config_from_hub
from pentanet.families.tensor_table import hub_shapes, tensor_table
from pentanet.format.packed_model import TOKENIZER
from pentanet.sources.defaults import harmless, require_supported

_OF_THE_FILES = ("quantization_config", "_name_or_path")  # and not of what is made of them
_APART = "Copy or download weights and config.json of one model."


class Source(ABC):
    """An open pretrained model.

    Attributes:
        path: the directory or file.
        hub_config: config.json in its canonical form: see `canonical_config`.
        config: the sizes of its network.
        vocab: number of tokens.
        table: the tensors of its network.
        facts: what the model says of itself, for the card: see `pentanet.sources.origin`.
        files: what goes beside the weights into a model directory: tokenizer.json and others, by name.
        shapes: of the tensors in the files, by their Hugging Face name.
    """

    facts: Mapping[str, str] = MappingProxyType({})

    def __init__(
        self,
        path: Path,
        hub_config: Mapping[str, Any],
        files: Mapping[str, bytes],
        shapes: Mapping[str, tuple[int, ...]],
        *,
        rounded: bool = False,
    ) -> None:
        self.path, self.files, self.shapes = path, files, shapes
        require_supported(hub_config, str(path), rounded=rounded)
        given = {key: value for key, value in hub_config.items() if key not in _OF_THE_FILES}
        vocab = given.get("vocab_size")
        if type(vocab) is not int or vocab < 1:
            raise ModelConfigError(f"{path}: vocab_size is {vocab!r:.80}, not a positive number")
        try:
            self.config: ModelConfig = config_from_hub(given)
            self.hub_config = canonical_config(given)
        except ConfigError as error:
            raise ModelConfigError(f"{path}: {error}") from error
        self.vocab = vocab
        self._check()

    @abstractmethod
    def rows(self, name: str, start: int, stop: int) -> Tensor:
        """Rows start..stop-1 of a tensor (entries of a vector), as float32.

        Raises:
            FormatError: the file does not hold what its header says, or holds a value that is not finite.
        """

    def tensor(self, name: str) -> Tensor:
        """A whole tensor, as float32.  Raises what `rows` raises."""
        return self.rows(name, 0, self.shapes[name][0])

    def row_blocks(self, name: str, rows: int) -> Iterator[Tensor]:
        """A tensor from the first row to the last, `rows` rows at a time.  Raises what `rows` raises."""
        for start in range(0, self.shapes[name][0], rows):
            yield self.rows(name, start, min(start + rows, self.shapes[name][0]))

    def tokenizer(self) -> Tokenizer:
        """The tokenizer, without its padding and truncation.

        Raises:
            DataError: there is none, or see `pentanet.data.tokenizer.parse`.
        """
        if TOKENIZER not in self.files:
            raise DataError(f"{self.path}: has no {TOKENIZER}, so that no text can be read")
        return parse(self.files[TOKENIZER], f"{self.path}/{TOKENIZER}")

    def fingerprint(self) -> str:
        """Tells sources apart without reading all of them: configuration, shapes, sizes and times of the files."""
        stats = [(p.name, p.stat().st_size, p.stat().st_mtime_ns) for p in self.weight_files()]
        found = [self.hub_config, {name: list(shape) for name, shape in self.shapes.items()}, stats]
        return hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()

    @abstractmethod
    def weight_files(self) -> list[Path]:
        """The files that hold the tensors."""

    def _check(self) -> None:
        """Every tensor of the network is there, with its shape, and no other."""
        self.table = tensor_table(self.config, self.vocab)
        expected = hub_shapes(self.config, self.vocab)
        for name, shape in expected.items():
            if name not in self.shapes:
                raise MissingTensorError(
                    f"{self.path}: tensor '{name}' of the network in config.json is not there. {_APART}"
                )
            if self.shapes[name] != shape:
                raise ShapeError(
                    f"{self.path}: tensor '{name}' is {list(self.shapes[name])}, but config.json makes it "
                    f"{list(shape)}. {_APART}"
                )
        for name in self.shapes:
            if name not in expected and not harmless(name, self.hub_config):
                raise UnexpectedTensorError(
                    f"{self.path}: tensor '{name}' has no place in the network of config.json "
                    f"({self.config.layers} layers of type {self.hub_config['model_type']})"
                )


def to_float(values: Tensor, where: str) -> Tensor:
    """As contiguous float32.

    Raises:
        NonFiniteWeightError: a value is NaN or infinite.
    """
    values = values.to(torch.float32).contiguous()
    low, high = values.aminmax()  # needs no room, as isfinite does
    if not -math.inf < float(low) <= float(high) < math.inf:
        raise NonFiniteWeightError(f"{where} holds a weight that is NaN or infinite. Copy or download the model again.")
    return values
