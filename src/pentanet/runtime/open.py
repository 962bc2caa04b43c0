"""Open a packed directory and check that it holds a network, without building one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tokenizers import Tokenizer

from pentanet.data import tokenizer as tokenizers
from pentanet.errors import (
    ConfigError,
    MissingTensorError,
    ModelConfigError,
    ShapeError,
    UnexpectedTensorError,
)
from pentanet.families import ModelConfig, config_from_hub
from pentanet.families.table_builder import Entry
from pentanet.families.tensor_table import tensor_table
from pentanet.format.boundary import reading
from pentanet.format.model_dir import open_model
from pentanet.format.packed_model import CONFIG, PackedModel
from pentanet.format.tensors import CodedSpec, PlainSpec


def open_config(path: str | Path, *, verify: bool = True) -> tuple[PackedModel, ModelConfig, int]:
    """Open a model directory; the sizes of its network, which its tensors are known to fit, and of its vocabulary.

    Raises:
        FormatError: a rule of the format is broken: see `pentanet.format.model_dir.open_model`.
        ModelConfigError: a network that this release does not know.
    """
    path = Path(path)
    packed = open_model(path, verify=verify)
    vocab = packed.config.get("vocab_size")
    if type(vocab) is not int or vocab < 1:
        raise ModelConfigError(f"{path}/config.json: vocab_size is {vocab!r}, not a positive number")
    with reading(path / CONFIG):
        try:
            config = config_from_hub(packed.config)
        except ConfigError as error:
            raise ModelConfigError(f"{path}: {error}") from error
        _check(
            packed, tensor_table(config, vocab, packed.activations, packed.low_rank)
        )  # before memory is taken for anything
    return packed, config, vocab


def _check(packed: PackedModel, wanted: Mapping[str, Entry]) -> None:
    """Every tensor is one of the network and every one of the network is there, with the right shape."""
    for name in packed.names:
        if name not in wanted:
            raise UnexpectedTensorError(f"{packed.path}: tensor '{name}' has no place in the network of config.json")
    for name, entry in wanted.items():
        if name not in packed.specs:
            raise MissingTensorError(f"{packed.path}: tensor '{name}' of the network in config.json is not there")
        if packed.shape(name) != entry.shape:
            found = list(packed.shape(name))
            raise ShapeError(f"{packed.path}: tensor '{name}' is {found}, the network needs {list(entry.shape)}")
        spec = packed.spec(name)
        if entry.plain and not isinstance(spec, PlainSpec):
            raise ModelConfigError(f"{packed.path}: tensor '{name}' must be stored as plain values")
        if entry.bias and not (isinstance(spec, CodedSpec) and spec.bias):
            raise MissingTensorError(
                f"{packed.path}: tensor '{name}' has no bias, but the network of config.json has one"
            )


def read_tokenizer(packed: PackedModel, vocab: int) -> Tokenizer:
    """The tokenizer of a directory.

    Raises:
        TokenizerMismatchError: it has tokens that the model does not have.
    """
    tokenizer = tokenizers.load(packed.path)
    tokenizers.require_fits(tokenizer, vocab, f"{packed.path}/tokenizer.json")
    return tokenizer
