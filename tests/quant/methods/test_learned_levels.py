"""Levels whose positions are learned: the optimum for a Gaussian at the start, that of other weights after training."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pentanet.quant.methods.pentanary_learned import INNER, OUTER, LearnedLevelsQuantizer


def quantiles(kind: str, n: int = 1 << 14) -> torch.Tensor:
    """A row of evenly likely values of variance 1."""
    p = (torch.arange(n, dtype=torch.float64) + 0.5) / n
    if kind == "gaussian":
        return torch.special.ndtri(p).float()[None]
    return (-(p - 0.5).sign() * (1 - 2 * (p - 0.5).abs()).log() * 0.5**0.5).float()[None]


def error(made: LearnedLevelsQuantizer, weight: torch.Tensor) -> float:
    return float(np.square(made.export(weight).dequantize() - weight.numpy()).mean())


def test_it_starts_at_the_optimum_for_gaussian_weights() -> None:
    made, weight = LearnedLevelsQuantizer(), quantiles("gaussian")
    codes = made.export(weight)
    assert made.pair() == (3, 7)
    assert set(np.unique(codes.levels)) == {-7, -3, 0, 3, 7}
    assert float(codes.scales[0, 0]) * 7 == pytest.approx(OUTER, abs=1e-3)
    assert float(codes.scales[0, 0]) * 3 == pytest.approx(INNER, abs=0.03)  # the nearest ratio that 4 bits have
    assert error(made, weight) == pytest.approx(0.0799, abs=4e-4)
    shares = np.array([codes.occupancy()[level] for level in (-7, -3, 0, 3, 7)]) / codes.levels.size
    assert shares == pytest.approx([0.107, 0.244, 0.298, 0.244, 0.107], abs=1e-2)


def test_training_finds_the_levels_of_heavy_tails() -> None:
    made, weight = LearnedLevelsQuantizer(), quantiles("laplace")
    before = error(made, weight)
    optimizer = torch.optim.Adam(made.parameters(), lr=0.02)
    for _ in range(120):
        optimizer.zero_grad()
        (made.fake(weight, 0.5) - weight).square().mean().backward()
        optimizer.step()
    assert error(made, weight) == pytest.approx(0.1198, abs=2e-3)  # of Lloyd-Max; evenly spaced levels reach 0.1330
    assert error(made, weight) < before - 0.012


def test_gradients_are_those_of_the_weights_that_stand_there() -> None:
    weight = torch.tensor([[3.0, -3.0, 1.2, 0.1]]).requires_grad_()
    made = LearnedLevelsQuantizer()
    upstream = torch.tensor([[1.0, 2.0, 5.0, 7.0]])
    made.fake(weight, 0.0).backward(upstream)
    assert weight.grad is not None
    assert torch.equal(weight.grad, upstream)
    assert made.state.grad is not None
    unit = weight.detach().square().mean().sqrt()
    inner, outer = 5.0 * unit / 8**0.5, (1.0 - 2.0) * unit / 8**0.5
    ratio = INNER / OUTER
    of_log_outer, of_logit = (outer + ratio * inner) * OUTER, inner * OUTER * ratio * (1 - ratio)
    torch.testing.assert_close(made.state.grad, torch.stack((of_log_outer, of_logit)))


def test_the_inner_level_never_passes_the_outer_one() -> None:
    made = LearnedLevelsQuantizer()
    for logit in (-50.0, 0.0, 50.0):
        with torch.no_grad():
            made.state[1] = logit
        inner, outer = made.pair()
        assert 0 < inner < outer <= 7
