"""Open a packed directory as a network that runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from pentanet.errors import NonFiniteActivationError, UnknownNameError, UnsupportedModelError
from pentanet.families import family_of
from pentanet.families.build import build
from pentanet.families.network import Network
from pentanet.families.tensor_table import has_own_head
from pentanet.format.packed_model import PackedModel
from pentanet.linear_options import ROUNDINGS, RoundingChoice
from pentanet.runtime.chat import ChatTemplate, read_chat_template
from pentanet.runtime.endings import Endings, read_endings
from pentanet.runtime.modules import Packed, PackedMatrix
from pentanet.runtime.open import open_config, read_tokenizer


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Runtime:
    """A model that is ready to run in torch: the reference, exact and slow; the native engine writes text faster.

    Attributes:
        network: ids [B, T] -> logits [B, T, vocab], on the CPU, in evaluation mode.
        tokenizer: of the directory.
        path: of the model.
        config: its config.json.
        endings: the ids that a text begins with, and those that end it.
        files: of an original, content by name of the small files beside its weights.
    """

    network: Network
    tokenizer: Tokenizer
    path: Path
    config: Mapping[str, Any]
    endings: Endings
    files: Mapping[str, bytes] | None = None

    @property
    def context(self) -> int:
        """Longest window in tokens."""
        return self.network.config.context

    def chat_template(self) -> ChatTemplate:
        """How a chat becomes a text.  Raises as `pentanet.runtime.chat.read_chat_template`."""
        return read_chat_template(self.path, self.files)

    @torch.inference_mode()
    def next_logits(self, ids: Sequence[int]) -> NDArray[np.float32]:
        """Logits [vocab] after the last of `ids`, at least one and at most `context` tokens.

        Raises:
            NonFiniteActivationError: one of them is NaN or infinite.
        """
        logits = self.network(torch.tensor([list(ids)]))[0, -1].float()
        if not bool(logits.isfinite().all()):
            raise NonFiniteActivationError(
                f"{self.path}: logits are NaN or infinite: the weights of this model make numbers that float32 "
                "cannot hold. Pack or quantize it again."
            )
        return logits.numpy()


def load(path: str | Path, *, verify: bool = True, activations: RoundingChoice = "auto") -> Runtime:
    """Open a packed directory in torch, the reference: exact, and slow; `pentanet.Engine` is what writes text.

    Args:
        path: the directory.
        verify: compare every tensor with its sha256.
        activations: "auto" rounds the inputs of linears where training did; the others round them as the native engine.

    Raises:
        UnknownNameError, UnsupportedModelError: another name of a rounding; training rounded or rotated otherwise.
        FormatError: a rule of the format is broken: see `pentanet.format.model_dir.open_model`.
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
    tokenizer = read_tokenizer(packed, vocab)
    return Runtime(
        network=network.eval(),
        tokenizer=tokenizer,
        path=packed.path,
        config=packed.config,
        endings=read_endings(packed.path, packed.config, tokenizer),
    )


@torch.no_grad()
def _attach(network: Network, packed: PackedModel) -> None:
    """Give every weight of the network its tensor; a head that the file does not have is the embedding."""
    family = family_of(network.config)
    modules = {name: module for name, module in network.named_modules() if isinstance(module, PackedMatrix)}
    head = None if has_own_head(network.config) else modules.pop(family.head)
    for name, module in modules.items():
        module.attach(packed, f"{name}.weight")
    if head is not None:
        head.matrix = modules[family.embedding].matrix
    for name, parameter in network.named_parameters():
        parameter.copy_(torch.from_numpy(packed.plain(name)))
