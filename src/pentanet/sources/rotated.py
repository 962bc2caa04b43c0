"""The same network in rotated coordinates, where weights have no outliers that a coarse grid must stretch over.

A network with RMSNorm computes the same when its residual stream x [D] is x R with an orthogonal R, once the gains of
the norms are part of the matrices behind them (SliceGPT, 2401.15024; QuaRot, 2404.00456; why: QuIP, 2307.13304):

    embedding' = embedding R                         head' = head diag(gain) R
    W' = W diag(gain) R     of q, k, v, gate and up  W' = R^T W     of o and down

Values turn within each head as well, V' = H^T V and O' = O H, since attention only averages them.  All of it is folded
into the weights, so that nothing is left to do when the network runs.  What cannot be folded stays: queries and keys,
between which the rotary positions stand, and the inputs of down, behind an activation.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pentanet.errors import UnsupportedArchitectureError
from pentanet.families import LlamaConfig
from pentanet.sources.source import Source

EMBEDDING, HEAD, LAST_NORM = "model.embed_tokens.weight", "lm_head.weight", "model.norm.weight"
_NORMS = ("input_layernorm", "post_attention_layernorm", "norm")
_ADDED = ("o_proj", "down_proj")  # to the residual stream
_NORM_BEFORE = {
    **dict.fromkeys(("q_proj", "k_proj", "v_proj"), "input_layernorm"),
    **dict.fromkeys(("gate_proj", "up_proj"), "post_attention_layernorm"),
}


def mixing(size: int) -> Tensor:
    """An orthogonal matrix [size, size] in which no entry is zero, float64, always the same one.

    Signs, drawn with a fixed seed, times the Kronecker product of a Hartley matrix, (cos + sin)(2 pi i j / n), for the
    odd factor of the size, and a Hadamard matrix of Sylvester's for the power of two.
    """
    power = size & -size
    odd = np.arange(size // power)
    angle = 2 * math.pi * np.outer(odd, odd) / len(odd)
    found = (np.cos(angle) + np.sin(angle)) / math.sqrt(len(odd))
    found = np.kron(found, hadamard(power).numpy())
    signs = np.random.RandomState(size).randint(0, 2, (size, 1)) * 2 - 1
    return torch.from_numpy(signs * found)


def hadamard(size: int) -> Tensor:
    """Sylvester's Hadamard matrix for a power of two, scaled to be orthogonal, float64."""
    found = np.ones((1, 1))
    while len(found) < size:
        found = np.block([[found, found], [found, -found]])
    return torch.from_numpy(found / math.sqrt(size))


class RotatedSource(Source):
    """A source in rotated coordinates; the head becomes a matrix of its own, where it was tied.

    Args:
        source: a model of Llama's shape.

    Raises:
        UnsupportedArchitectureError: another shape: a LayerNorm takes the mean, which a rotation moves.
    """

    def __init__(self, source: Source) -> None:
        config = source.config
        if not isinstance(config, LlamaConfig):
            raise UnsupportedArchitectureError(
                f"{source.path}: only networks with RMSNorm (Llama's shape) can be rotated; leave --rotate out"
            )
        self._source = source
        shapes = {**source.shapes, HEAD: source.shapes[EMBEDDING]}
        super().__init__(source.path, {**source.hub_config, "tie_word_embeddings": False}, source.files, shapes)
        self._turn = mixing(config.width).float()
        head = config.head_width
        self._within = (hadamard(head) if head & (head - 1) == 0 else mixing(head)).float()
        self._tied = config.tie

    def rows(self, name: str, start: int, stop: int) -> Tensor:
        """Rows of a rotated tensor, as float32."""
        block, part = _place(name)
        if part in _ADDED or part == "v_proj":
            return self.tensor(name)[start:stop]
        weight = self._source.rows(EMBEDDING if self._tied and name == HEAD else name, start, stop)
        if part in _NORMS:
            return torch.ones_like(weight)  # their gains are in the matrices behind them
        if weight.ndim == 1:  # biases, and the norms of queries and keys, come after what is rotated
            return weight
        norm = LAST_NORM if name == HEAD else f"{block}.{_NORM_BEFORE[part]}.weight" if part in _NORM_BEFORE else None
        return (weight if norm is None else weight * self._source.tensor(norm)) @ self._turn

    def tensor(self, name: str) -> Tensor:
        """A whole rotated tensor, as float32."""
        return torch.cat(list(self.row_blocks(name, self.shapes[name][0])))

    def row_blocks(self, name: str, rows: int) -> Iterator[Tensor]:
        """The tensor, `rows` rows at a time; its original is read once."""
        block, part = _place(name)
        if part in _ADDED:
            weight = self._source.tensor(name)
            if part == "o_proj":
                weight = (weight.view(len(weight), -1, len(self._within)) @ self._within).flatten(1)
            for columns in self._turn.split(rows, 1):
                yield columns.t() @ weight
        elif part == "v_proj":
            weight = self._source.tensor(name)
            if weight.ndim == 2:
                weight = (weight * self._source.tensor(f"{block}.{_NORM_BEFORE[part]}.weight")) @ self._turn
            heads = weight.view(-1, len(self._within), math.prod(weight.shape[1:]))
            yield from (self._within.t() @ heads).view(weight.shape).split(rows)
        else:
            yield from super().row_blocks(name, rows)

    def weight_files(self) -> list[Path]:
        return self._source.weight_files()


def _place(name: str) -> tuple[str, str]:
    """The block that a tensor is in, and what it is there: ("model.layers.0", "q_proj")."""
    parts = name.split(".")
    return ".".join(parts[:3]), parts[-2]
