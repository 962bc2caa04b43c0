"""What the matrices of each block see of a calibration text, block by block.

Two streams of activations go through the network side by side: that of the network as it is quantized so far, and the
original's where a method asks for it.  Only one block and the activations between two blocks are in memory.  Within a
block the matrices are quantized in four stages, so that each sees inputs that went through those before it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pentanet.data.files import read_lines
from pentanet.errors import (
    ConfigError,
    DataError,
    TextTooShortError,
    TokenizerMismatchError,
    UnsupportedArchitectureError,
)
from pentanet.machine import multiplies_bfloat16
from pentanet.models.llama import Block, window_mask
from pentanet.models.loss import Precision, autocast
from pentanet.models.rotate import rotary_tensors
from pentanet.ptq.network import FloatWeights
from pentanet.ptq.source import Source
from pentanet.ptq.workers import Workers
from pentanet.shapes import LlamaConfig

STAGES = (
    ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    ("self_attn.o_proj",),
    ("mlp.gate_proj", "mlp.up_proj"),
    ("mlp.down_proj",),
)
"""Matrices of a block that share their inputs, in the order of the network; one alone adds to the residual stream."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Moments:
    """Means over the tokens of a calibration text, for matrices that share their inputs.

    Attributes:
        hessian: of x x^T [c, c]; x are the inputs in the quantized network.
        cross: of x' x^T [c, c]; x' are the inputs in the original; None if it was not asked for.
        ahead: of e x^T [r, c]; e is by how much the residual stream of the original is ahead, where the outputs are
            added to it; None elsewhere.
    """

    hessian: Tensor
    cross: Tensor | None = None
    ahead: Tensor | None = None


Quantize = Callable[[str, Tensor, Moments], Tensor]
"""Name, weight, and what is known of the inputs -> the weight that the packed model will have."""


class Calibration:
    """The two streams, at the input of the next block.

    Args:
        source: a model of Llama's shape.
        ids_BT: windows of the calibration text.
        original: compare with the original; without, half of the work.

    Raises:
        UnsupportedArchitectureError: another shape.
    """

    def __init__(self, source: Source, ids_BT: Tensor, *, original: bool = True) -> None:
        config = source.config
        if not isinstance(config, LlamaConfig):
            raise UnsupportedArchitectureError(f"{source.path}: calibrated methods know Llama's shape only; use rtn")
        self.source, self.config = source, config
        states = _look_up(source, ids_BT)
        # Of the quantized network, and of the original.
        self.states: tuple[Tensor, ...] = (states, states.clone()) if original else (states,)
        cos, sin = rotary_tensors(config)
        tokens = ids_BT.shape[1]
        mask = window_mask(tokens, config.window, torch.device("cpu")) if 0 < config.window < tokens else None
        self._rope = cos[:tokens], sin[:tokens], mask
        self._precision: Precision = "bfloat16" if multiplies_bfloat16() else "float32"

    @torch.no_grad()
    def advance(self, layer: int, quantize: Quantize, workers: Workers) -> None:
        """Take the streams through a block, while `quantize` replaces its matrices in the quantized network.

        Matrices that share their inputs are shared out to the workers.
        """
        blocks = tuple(self._block(layer) for _ in self.states)
        for number, names in enumerate(STAGES):
            weights = tuple({n: block.get_parameter(f"{n}.weight").detach() for n in names} for block in blocks)
            if len(names) == 1:
                for block in blocks:
                    parent, _, child = names[0].partition(".")
                    setattr(block.get_submodule(parent), child, nn.Identity())
            inputs = tuple(self._inputs(block, number, i) for i, block in enumerate(blocks))
            moments = self._moments(inputs, adds=len(names) == 1)

            def make(name: str, originals: dict[str, Tensor] = weights[-1], moments: Moments = moments) -> Tensor:
                return quantize(f"model.layers.{layer}.{name}.weight", originals[name], moments)

            for name, made in zip(names, workers.map(make, names) if len(names) > 1 else map(make, names), strict=True):
                weights[0][name].copy_(made)
            if len(names) == 1:
                for states, seen, held in zip(self.states, inputs, weights, strict=True):
                    for b, x in enumerate(seen):
                        states[b] += self._product(x, held[names[0]])

    def _block(self, layer: int) -> Block:
        """One block of the original."""
        block = Block(self.config, FloatWeights()).eval()
        for name, parameter in block.named_parameters():
            parameter.copy_(self.source.tensor(f"model.layers.{layer}.{name}"))
        return block

    def _inputs(self, block: Block, stage: int, stream: int) -> list[Tensor]:
        """What the matrices of a stage see of each window [T, c]; their own product is left out."""
        found: list[Tensor] = []
        for state in self.states[stream]:
            with autocast(torch.device("cpu"), self._precision):
                if stage < 2:
                    x = block.input_layernorm(state[None])
                    x = block.self_attn(x, *self._rope) if stage == 1 else x
                else:
                    x = block.post_attention_layernorm(state[None])
                    x = block.mlp(x) if stage == 3 else x
            found.append(x[0])
        return found

    def _moments(self, inputs: tuple[list[Tensor], ...], *, adds: bool) -> Moments:
        width, tokens = inputs[0][0].shape[1], sum(map(len, inputs[0]))
        hessian = torch.zeros(width, width)
        for x in inputs[0]:
            hessian.addmm_(x.float().t(), x.float())
        if len(inputs) == 1:
            return Moments(hessian=hessian / tokens)
        cross = torch.zeros(width, width)
        ahead = torch.zeros(self.config.width, width) if adds else None
        for b, (quantized, original) in enumerate(zip(*inputs, strict=True)):
            x = quantized.float()
            cross.addmm_(original.float().t(), x)
            if ahead is not None:
                ahead.addmm_((self.states[1][b] - self.states[0][b]).t(), x)
        return Moments(hessian=hessian / tokens, cross=cross / tokens, ahead=None if ahead is None else ahead / tokens)

    def _product(self, x: Tensor, weight: Tensor) -> Tensor:
        with autocast(torch.device("cpu"), self._precision):
            return F.linear(x, weight).float()


def read_windows(source: Source, path: Path | None, length: int, count: int) -> Tensor:
    """Windows [B, length] of a text file in tokens of the source.

    Raises:
        DataError: no text, or no tokenizer.
        TextTooShortError: the text is shorter than one window.
    """
    if path is None:
        raise DataError("gptq and refine look at a text: name a file with --calibration")
    if length > source.config.context:
        raise ConfigError(f"--window {length}: the model reads at most {source.config.context} tokens")
    ids = source.tokenizer().encode("".join(read_lines(path)), add_special_tokens=False).ids
    return windows_of(ids, length, count, str(path))


def windows_of(ids: list[int], length: int, count: int, where: str) -> Tensor:
    """At most `count` windows [B, length] of a text, evenly spread over it.

    Raises:
        TextTooShortError: the text is shorter than one.
    """
    if len(ids) < length:
        raise TextTooShortError(
            f"{where}: {len(ids)} tokens for calibration, shorter than one window of {length}. "
            "Take a longer text, or a shorter --window."
        )
    count = min(count, len(ids) // length)
    starts = [i * (len(ids) - length) // max(count - 1, 1) for i in range(count)]
    return torch.tensor([ids[start : start + length] for start in starts])


def _look_up(source: Source, ids_BT: Tensor) -> Tensor:
    """Embeddings [B, T, D] of tokens; only those are in memory."""
    ids, places = np.unique(ids_BT.numpy(), return_inverse=True)
    used: list[int] = ids.tolist()
    if used[-1] >= source.vocab:
        raise TokenizerMismatchError(f"{source.path}: the text has token {used[-1]}, the model {source.vocab}")
    rows = [source.rows("model.embed_tokens.weight", i, i + 1) for i in used]
    return torch.cat(rows)[torch.from_numpy(places.reshape(ids_BT.shape))]
