"""Open a packed directory as a network that runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from pentanet.data import tokenizer as tokenizers
from pentanet.errors import (
    ConfigError,
    MissingTensorError,
    ModelConfigError,
    ShapeError,
    TokenizerMismatchError,
    UnexpectedTensorError,
    UnknownNameError,
    UnsupportedModelError,
)
from pentanet.extras import ROUNDINGS, RoundingChoice
from pentanet.models import ModelConfig, Network, build, config_from_hub
from pentanet.pack.model_dir import open_model
from pentanet.pack.packed_model import PackedModel
from pentanet.pack.tensors import CodedSpec, PlainSpec
from pentanet.runtime.modules import Packed, PackedLinear, PackedMatrix

MAX_CONTEXT = 1 << 20


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Runtime:
    """A packed model that is ready to run.

    Attributes:
        network: ids [B, T] -> logits [B, T, vocab], on the CPU, in evaluation mode.
        tokenizer: of the directory.
        packed: the open files.
    """

    network: Network
    tokenizer: Tokenizer
    packed: PackedModel

    @property
    def context(self) -> int:
        """Longest window in tokens."""
        return self.network.config.context

    @torch.inference_mode()
    def next_logits(self, ids: Sequence[int]) -> NDArray[np.float32]:
        """Logits [vocab] after the last of `ids`, at least one and at most `context` tokens."""
        return self.network(torch.tensor([list(ids)]))[0, -1].float().numpy()


def load(path: Path, *, verify: bool = True, activations: RoundingChoice = "auto") -> Runtime:
    """Open a model directory.

    Args:
        path: the directory.
        verify: compare every tensor with its sha256.
        activations: "auto" rounds the inputs of linears where training did; the others round them as the native engine.

    Raises:
        UnknownNameError, UnsupportedModelError: another name of a rounding; training rounded or rotated otherwise.
        FormatError: a rule of the format is broken: see `pentanet.pack.model_dir.open_model`.
        ModelConfigError: a network that this release does not know.
        TokenizerMismatchError: the tokenizer has more tokens than the model.
    """
    packed, config, vocab = open_config(path, verify=verify)
    if activations not in ROUNDINGS:
        raise UnknownNameError("activations", activations, ROUNDINGS)
    if activations != "auto" and packed.activations not in ("none", "int8"):
        raise UnsupportedModelError(
            f"{path}: its linears have inputs of their own ('{packed.activations}'). Leave out --activations."
        )
    network = build(config, vocab, Packed(packed.activations, packed.low_rank, activations))
    _attach(network, packed)
    return Runtime(network=network.eval(), tokenizer=read_tokenizer(packed, vocab), packed=packed)


def open_config(path: Path, *, verify: bool = True) -> tuple[PackedModel, ModelConfig, int]:
    """Open a model directory; the sizes of its network, which its tensors are known to fit, and of its vocabulary.

    Raises:
        FormatError: as `load`.
    """
    packed = open_model(path, verify=verify)
    vocab = packed.config.get("vocab_size")
    if type(vocab) is not int or vocab < 1:
        raise ModelConfigError(f"{path}/config.json: vocab_size is {vocab!r}, not a positive number")
    try:
        config = config_from_hub(packed.config)
    except ConfigError as error:
        raise ModelConfigError(f"{path}: {error}") from error
    if config.layers > len(packed.names) or config.context > MAX_CONTEXT:
        found = f"{config.layers} layers and a context of {config.context}"
        raise ModelConfigError(f"{path}/config.json: {found} are more than its tensors, or any network here, can have")
    network = build(config, vocab, Packed(packed.activations, packed.low_rank), "meta")
    _check(packed, *_places(network))  # before memory is taken for what config.json says
    _check_biases(packed, _matrices(network))
    return packed, config, vocab


@torch.no_grad()
def _attach(network: Network, packed: PackedModel) -> None:
    """Give every weight of the network its tensor."""
    modules = _matrices(network)
    for name, module in modules.items():
        module.attach(packed, name)
    head = network.lm_head
    if network.stores_head_once and isinstance(head, PackedMatrix):
        head.matrix = modules[f"{network.embedding_name}.weight"].matrix
    for name, parameter in network.named_parameters():
        parameter.copy_(torch.from_numpy(packed.plain(name)))


def _matrices(network: Network) -> dict[str, PackedMatrix]:
    """The modules that hold a tensor of their own, by its name."""
    found = {f"{name}.weight": m for name, m in network.named_modules() if isinstance(m, PackedMatrix)}
    if network.stores_head_once:
        del found["lm_head.weight"]
    return found


def _places(network: Network) -> tuple[dict[str, tuple[int, ...]], set[str]]:
    """Shapes of all tensors that the network needs, and names of those that must be plain values."""
    vectors = {name: tuple(p.shape) for name, p in network.named_parameters()}
    return {name: module.shape for name, module in _matrices(network).items()} | vectors, set(vectors)


def _check(packed: PackedModel, shapes: Mapping[str, tuple[int, ...]], plain: Set[str]) -> None:
    """Every tensor has its place and every place its tensor, with the right shape."""
    for name in packed.names:
        if name not in shapes:
            raise UnexpectedTensorError(f"{packed.path}: tensor '{name}' has no place in the network of config.json")
    for name, shape in shapes.items():
        if name not in packed.specs:
            raise MissingTensorError(f"{packed.path}: tensor '{name}' of the network in config.json is not there")
        if packed.shape(name) != shape:
            found = list(packed.shape(name))
            raise ShapeError(f"{packed.path}: tensor '{name}' is {found}, the network needs {list(shape)}")
        if name in plain and not isinstance(packed.spec(name), PlainSpec):
            raise ModelConfigError(f"{packed.path}: tensor '{name}' must be stored as plain values")


def _check_biases(packed: PackedModel, matrices: Mapping[str, PackedMatrix]) -> None:
    for name, module in matrices.items():
        spec = packed.spec(name)
        if isinstance(module, PackedLinear) and module.needs_bias and not (isinstance(spec, CodedSpec) and spec.bias):
            raise MissingTensorError(
                f"{packed.path}: tensor '{name}' has no bias, but the network of config.json has one"
            )


def read_tokenizer(packed: PackedModel, vocab: int) -> Tokenizer:
    """The tokenizer of a directory.

    Raises:
        TokenizerMismatchError: it has more tokens than the model.
    """
    tokenizer = tokenizers.load(packed.path)
    size = tokenizer.get_vocab_size()
    if size > vocab:
        raise TokenizerMismatchError(
            f"{packed.path}/tokenizer.json: has {size} tokens, the model {vocab}; it belongs to another model"
        )
    return tokenizer
