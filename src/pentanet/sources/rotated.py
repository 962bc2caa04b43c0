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
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pentanet.errors import UnsupportedArchitectureError
from pentanet.families import family_of
from pentanet.families.tensor_table import has_own_head
from pentanet.quant.hadamard import signs
from pentanet.sources.source import Source


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
    drawn = np.random.RandomState(size).randint(0, 2, (size, 1)) * 2 - 1
    return torch.from_numpy(drawn * found)


def hadamard(size: int) -> Tensor:
    """Sylvester's Hadamard matrix for a power of two, scaled to be orthogonal, float64."""
    return torch.from_numpy(signs(size).astype(np.float64) / math.sqrt(size))


class RotatedSource(Source):
    """A source in rotated coordinates; the head becomes a matrix of its own, where it was tied.

    Args:
        source: a model of Llama's shape.

    Raises:
        UnsupportedArchitectureError: another shape: a LayerNorm takes the mean, which a rotation moves.
    """

    def __init__(self, source: Source) -> None:
        config, family = source.config, family_of(source.config)
        if family.rotation is None:
            raise UnsupportedArchitectureError(
                f"{source.path}: only networks with RMSNorm (Llama's shape) can be rotated; leave --rotate out"
            )
        self._source, self._rotation = source, family.rotation
        self._embedding, self._head = f"{family.embedding}.weight", f"{family.head}.weight"
        self.facts = source.facts
        shapes = {**source.shapes, self._head: source.shapes[self._embedding]}
        super().__init__(source.path, untied(source.hub_config), source.files, shapes)
        self._turn = mixing(config.width).float()
        head = family.rotation.head_width(config)
        self._within = (hadamard(head) if head & (head - 1) == 0 else mixing(head)).float()
        self._tied = not has_own_head(config)

    def rows(self, name: str, start: int, stop: int) -> Tensor:
        """Rows of a rotated tensor, as float32."""
        rotation = self._rotation
        block, part = _split(name)
        if part in rotation.added or part == rotation.values:
            return self.tensor(name)[start:stop]
        weight = self._source.rows(self._embedding if self._tied and name == self._head else name, start, stop)
        if part in rotation.norms:
            return torch.ones_like(weight)  # their gains are in the matrices behind them
        if weight.ndim == 1:  # biases, and the norms of queries and keys, come after what is rotated
            return weight
        if name == self._head:
            weight = weight * self._source.tensor(f"{rotation.last_norm}.weight")
        elif part in rotation.norm_before:
            weight = weight * self._gains(block, part)
        return weight @ self._turn

    def tensor(self, name: str) -> Tensor:
        """A whole rotated tensor, as float32."""
        return torch.cat(list(self.row_blocks(name, self.shapes[name][0])))

    def row_blocks(self, name: str, rows: int) -> Iterator[Tensor]:
        """The tensor, `rows` rows at a time; its original is read once."""
        block, part = _split(name)
        if part in self._rotation.added:
            weight = self._source.tensor(name)
            if part == self._rotation.mixes_values and weight.ndim == 2:
                weight = (weight.view(len(weight), -1, len(self._within)) @ self._within).flatten(1)
            for columns in self._turn.split(rows, 1):
                yield columns.t() @ weight
        elif part == self._rotation.values:
            weight = self._source.tensor(name)
            if weight.ndim == 2:
                weight = (weight * self._gains(block, part)) @ self._turn
            heads = weight.view(-1, len(self._within), math.prod(weight.shape[1:]))
            yield from (self._within.t() @ heads).view(weight.shape).split(rows)
        else:
            yield from super().row_blocks(name, rows)

    def _gains(self, block: str, part: str) -> Tensor:
        """Gains [D] of the norm in front of a matrix."""
        return self._source.tensor(f"{block}.{self._rotation.norm_before[part]}.weight")

    def weight_files(self) -> list[Path]:
        return self._source.weight_files()


def untied(hub_config: Mapping[str, Any]) -> dict[str, Any]:
    """The config.json of the same network with a head of its own."""
    return {**hub_config, "tie_word_embeddings": False}


def _split(name: str) -> tuple[str, str]:
    """The block that a tensor is in, and what it is there: ("model.layers.0", "q_proj")."""
    parts = name.split(".")
    return ".".join(parts[:3]), parts[-2]
