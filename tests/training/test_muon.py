"""Muon against torch's, which iterates in bfloat16 and one matrix at a time."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from pentanet.training.muon import Muon, orthogonalize

SHAPES = [(16, 16), (16, 48), (48, 16), (16, 48), (5, 7)]


def parameters() -> list[nn.Parameter]:
    generator = torch.Generator().manual_seed(0)
    return [nn.Parameter(torch.randn(shape, generator=generator)) for shape in SHAPES]


def test_steps_are_those_of_torch() -> None:
    mine, theirs = parameters(), parameters()
    start = [p.detach().clone() for p in mine]
    settings = {"lr": 0.1, "weight_decay": 0.2, "momentum": 0.9}
    ours, reference = Muon(mine, **settings), torch.optim.Muon(theirs, **settings)
    generator = torch.Generator().manual_seed(1)
    for _ in range(4):
        for a, b in zip(mine, theirs, strict=True):
            a.grad = torch.randn(a.shape, generator=generator)
            b.grad = a.grad.clone()
        ours.step()
        reference.step()
    for a, b, before in zip(mine, theirs, start, strict=True):
        moved = (b - before).norm()
        assert (a - b).norm() < 0.02 * moved  # bfloat16 has three digits
        assert moved > 0.1
    for a, b in zip(mine, theirs, strict=True):
        torch.testing.assert_close(ours.state[a]["momentum_buffer"], reference.state[b]["momentum_buffer"])


def test_a_matrix_moves_alike_alone_and_in_company() -> None:
    together, alone = parameters(), parameters()
    for group in (together, alone):
        for p in group:
            p.grad = p.detach() * 2
    Muon(together, lr=0.1).step()
    for p in alone:
        Muon([p], lr=0.1).step()
    for a, b in zip(together, alone, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape", [(8, 8), (8, 30), (30, 8), (1, 9), (9, 1)])
def test_singular_values_come_near_one_and_directions_stay(shape: tuple[int, int]) -> None:
    matrix = torch.randn(1, *shape, generator=torch.Generator().manual_seed(0))
    found = orthogonalize(matrix)[0]
    u, s, vh = torch.linalg.svd(matrix[0], full_matrices=False)
    inner = u.T @ found @ vh.T
    assert (inner - inner.diag().diag()).abs().max() < 1e-4
    assert ((inner.diag() > 0.6) & (inner.diag() < 1.3)).all() or s.min() / s.norm() < 0.01


def test_no_gradient_is_no_step() -> None:
    first, second = parameters()[:2]
    first.grad = torch.zeros_like(first)
    before = first.detach().clone(), second.detach().clone()
    Muon([first, second], lr=0.1, weight_decay=0.5).step()
    torch.testing.assert_close(first.detach(), before[0] * 0.95)  # of zeros no direction can be made: only decay
    assert torch.equal(second, before[1])
