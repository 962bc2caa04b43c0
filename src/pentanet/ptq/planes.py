"""Trit planes (PTQTP, 2509.16989, Algorithm 1): a weight is a sum of ternary matrices with a scale each, per group.

Scales and trits take turns: scales by ridge regression on the trits, trits by trying all combinations of an element.
Two things are ours.  Groups are worked on in units of their rms, so that the tolerance means the same for all of them.
And the scales start at a good point for Gaussian weights, not all alike with all trits sign(w): from there some groups
end in worse places, twice as slowly (Gaussian weights in groups of 128 lose 0.1687 of their size, and not 0.1633).
"""

from __future__ import annotations

import itertools
from typing import cast

import torch
from torch import Tensor

from pentanet.codes import Codes
from pentanet.grid import TERNARY
from pentanet.quant.granularity import Granularity
from pentanet.quant.scales import EPSILON, as_half

ITERATIONS = 50
TOLERANCE = 1e-4
CONDITION = 1e6
LEAST_RIDGE, MOST_RIDGE = 1e-8, 1.0
STARTS = {2: (1.38, 0.92), 3: (1.5, 1.0, 0.35)}  # in units of the rms


@torch.no_grad()
def trit_planes(weight: Tensor, granularity: Granularity, planes: int = 2) -> Codes:
    """Codes of a weight [rows, cols] in 2 or 3 ternary planes.

    Raises:
        ConfigError: the groups do not divide a row.
    """
    blocks = granularity.blocks(weight)
    rows, groups, size = blocks.shape
    flat = blocks.reshape(-1, size)
    rms = flat.square().mean(1, keepdim=True).sqrt_().clamp(min=EPSILON)
    scales = as_half((_fit(flat / rms, planes).sort(1, descending=True).values * rms).clamp(min=EPSILON))
    trits = _nearest(flat, scales)  # [N, planes, n]
    side_by_side = trits.view(rows, groups, planes, size).transpose(1, 2).reshape(rows, -1)
    ordered = scales.view(rows, groups, planes).transpose(1, 2).reshape(rows, -1)
    return Codes(side_by_side.to(torch.int8).numpy(), ordered.numpy().copy(), TERNARY, planes=planes)


def _fit(flat: Tensor, planes: int) -> Tensor:
    """Scales [N, planes] of groups [N, n], not negative."""
    scales = torch.tensor(STARTS[planes]).expand(len(flat), -1).clone()
    going = torch.arange(len(flat))  # groups that still move
    for _ in range(ITERATIONS):
        found = _regress(flat[going], _nearest(flat[going], scales[going])).abs()
        moved = (found - scales[going]).norm(dim=1) >= TOLERANCE
        scales[going] = found
        going = going[moved]
        if not len(going):
            break
    return scales


def _regress(flat: Tensor, trits: Tensor) -> Tensor:
    """Best scales [N, planes] for given trits, with as much ridge as a condition number of 1e6 needs."""
    square = (trits @ trits.transpose(1, 2)).double()
    right = (trits @ flat[:, :, None]).double()
    unit = torch.eye(square.shape[1], dtype=torch.float64)
    ridge: Tensor = torch.full((len(flat), 1, 1), LEAST_RIDGE, dtype=torch.float64)
    while True:
        matrix = square + ridge * unit
        inverse: Tensor = torch.linalg.inv_ex(matrix)[0]
        condition = torch.linalg.matrix_norm(matrix) * torch.linalg.matrix_norm(inverse)
        bad = cast("Tensor", ~(condition <= CONDITION)[:, None, None] & (ridge < MOST_RIDGE))
        if not bad.any():
            return (inverse @ right)[:, :, 0].float()
        ridge = torch.where(bad, ridge.mul(10).clamp(max=MOST_RIDGE), ridge)


def _combinations(planes: int) -> list[tuple[int, ...]]:
    """Trits up to their common sign, those with more zeros first."""
    found = [c for c in itertools.product((1, 0, -1), repeat=planes) if next((t for t in c if t), 1) > 0]
    return sorted(found, key=lambda c: sum(map(abs, c)))


def _nearest(flat: Tensor, scales: Tensor) -> Tensor:
    """Trits [N, planes, n] whose weighted sum is nearest to each element."""
    table = torch.tensor(_combinations(scales.shape[1]), dtype=torch.float32)  # [combinations, planes]
    values = scales @ table.t()  # [N, combinations]
    signs = torch.where(values < 0, -1.0, 1.0)
    size = flat.abs()
    least = size  # the first combination is all zeros
    best = torch.zeros(flat.shape, dtype=torch.int64)
    for i in range(1, len(table)):
        distance = (size - values[:, i : i + 1].abs()).abs_()
        closer = distance < least
        best.masked_fill_(closer, i)
        least = torch.minimum(least, distance)
    sign = torch.where(flat < 0, -1.0, 1.0) * signs.gather(1, best)
    return (table[best] * sign[:, :, None]).transpose(1, 2)
