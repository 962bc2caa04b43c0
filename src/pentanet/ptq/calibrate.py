"""What the matrices of each block see of a calibration text, block by block.

Two streams of activations go through the network side by side: that of the network as it is quantized so far, and the
original's where a method asks for it.  Only one block and the activations between two blocks are in memory.  Within a
block the matrices are quantized in four stages, so that each sees inputs that went through those before it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pentanet.data.texts import whole_text
from pentanet.errors import ConfigError, DataError, TextTooShortError
from pentanet.nn import QuantLinear
from pentanet.nn.precision import Precision, autocast, resolve_precision
from pentanet.ptq.blocks import ADDED, walk
from pentanet.ptq.mixed_text import CalibrationText
from pentanet.ptq.workers import Workers
from pentanet.sources.source import Source


@dataclass(frozen=True, kw_only=True, slots=True)
class Moments:
    """Means over the tokens of a calibration text, for matrices that share their inputs.

    Attributes:
        hessian: of x x^T [c, c]; x are the inputs in the quantized network.
        cross: of x' x^T [c, c]; x' are the inputs in the original; None if it was not asked for.
        residual_error: of e x^T [r, c]; e = residual stream of the original - that of the quantized network. Only for
            matrices whose output is added to the residual stream, as it is or scaled; None for the others.
    """

    hessian: Tensor
    cross: Tensor | None = None
    residual_error: Tensor | None = None


Quantize = Callable[[str, Tensor, Moments], Tensor]
"""Name, weight, and what is known of the inputs -> the weight that the packed model will have."""


class Calibration:
    """The two streams, at the input of the next block.

    Args:
        source: the original.
        ids_BT: windows of the calibration text.
        original: compare with the original; without, half of the work.

    Raises:
        UnsupportedArchitectureError: a shape without a `walk`.
    """

    def __init__(self, source: Source, ids_BT: Tensor, *, original: bool = True) -> None:
        self._walk = walk(source, ids_BT.shape[1])
        states = self._walk.embed(ids_BT)
        # Of the quantized network, and of the original.
        self.states: tuple[Tensor, ...] = (states, states.clone()) if original else (states,)
        self._precision: Precision = resolve_precision()

    @torch.no_grad()
    def advance(self, layer: int, quantize: Quantize, workers: Workers) -> None:
        """Take the streams through a block, while `quantize` replaces its matrices in the quantized network.

        Matrices that share their inputs are shared out to the workers.

        Raises:
            DataError: activations whose squares float32 does not hold.
        """
        blocks = tuple(self._walk.block(layer) for _ in self.states)
        beside = self._walk.beside(layer)
        for stage, names in enumerate(self._walk.blocks.stages):
            linears = tuple([cast("QuantLinear", block.get_submodule(name)) for name in names] for block in blocks)
            if stage in ADDED:
                for block in blocks:
                    parent, _, child = names[0].partition(".")
                    setattr(block.get_submodule(parent), child, nn.Identity())
            inputs = tuple(
                self._inputs(block, stage, states, beside) for block, states in zip(blocks, self.states, strict=True)
            )
            post_norms = [self._walk.post_norm(block, stage) for block in blocks]
            # Behind a norm a matrix cannot make up for what the residual stream lacks.
            moments = self._moments(inputs, adds=stage in ADDED and post_norms[0] is None)
            if not math.isfinite(float(moments.hessian.sum())):
                raise DataError(
                    f"{self._walk.source.path}: the inputs of {names[0]} in layer {layer} are too large to calibrate "
                    "with, or not finite. Copy or download the model again, or take a method that looks at no text."
                )
            originals = {name: linear.weight.detach() for name, linear in zip(names, linears[-1], strict=True)}

            def make(name: str, originals: dict[str, Tensor] = originals, moments: Moments = moments) -> Tensor:
                return quantize(f"{self._walk.blocks.trunk}.{layer}.{name}.weight", originals[name], moments)

            # A matrix by itself has all threads of torch.
            all_made = workers.map(make, names) if len(names) > 1 else map(make, names)
            for linear, made in zip(linears[0], all_made, strict=True):
                linear.weight.copy_(made)
            if stage in ADDED:
                for states, seen, (linear,), norm in zip(self.states, inputs, linears, post_norms, strict=True):
                    for b, x in enumerate(seen):
                        states[b] += self._added(x, linear, norm)

    def _inputs(self, block: nn.Module, stage: int, states: Tensor, beside: tuple[Tensor | None, ...]) -> list[Tensor]:
        """What the matrices of a stage see of each window [T, c]; their own product is left out."""
        found: list[Tensor] = []
        for state in states:
            with autocast(torch.device("cpu"), self._precision):
                found.append(self._walk.inputs(block, stage, state[None], beside)[0])
        return found

    def _moments(self, inputs: tuple[list[Tensor], ...], *, adds: bool) -> Moments:
        width, tokens = inputs[0][0].shape[1], sum(map(len, inputs[0]))
        hessian = torch.zeros(width, width)
        for x in inputs[0]:
            hessian.addmm_(x.float().t(), x.float())
        if len(inputs) == 1:
            return Moments(hessian=hessian / tokens)
        cross = torch.zeros(width, width)
        residual_error = torch.zeros(self.states[0].shape[-1], width) if adds else None
        for b, (quantized, original) in enumerate(zip(*inputs, strict=True)):
            x = quantized.float()
            cross.addmm_(original.float().t(), x)
            if residual_error is not None:
                lacks = self.states[1][b] - self.states[0][b]
                if self._walk.residual_scale != 1:
                    lacks /= self._walk.residual_scale
                residual_error.addmm_(lacks.t(), x)
        return Moments(
            hessian=hessian / tokens,
            cross=cross / tokens,
            residual_error=None if residual_error is None else residual_error / tokens,
        )

    def _added(self, x: Tensor, linear: QuantLinear, norm: nn.Module | None) -> Tensor:
        """What the residual stream gets [T, D]."""
        with autocast(torch.device("cpu"), self._precision):
            y = F.linear(x, linear.weight, linear.bias)
            y = y.float() if norm is None else norm(y).float()
        return y if self._walk.residual_scale == 1 else y * self._walk.residual_scale


def read_windows(source: Source, path: Path, length: int, count: int) -> CalibrationText:
    """Windows [B, length] of a text file in tokens of the source.

    Raises:
        DataError: no text, or no tokenizer.
        TextTooShortError: the text is shorter than one window.
    """
    if length > source.config.context:
        raise ConfigError(f"--window {length}: the model reads at most {source.config.context} tokens")
    ids = source.tokenizer().encode(whole_text(path), add_special_tokens=False).ids
    return CalibrationText(windows=windows_of(ids, length, count, str(path)), name=path.name)


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
