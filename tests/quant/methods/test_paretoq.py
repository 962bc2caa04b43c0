"""ParetoQ's Stretched Elastic Quant, against its own formula."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from pentanet.codes import Codes
from pentanet.quant import quantizer
from pentanet.quant.learned_step import LearnedStepQuantizer, learned_step

# Parts of the step a that level 1 of our grid is worth, and the formula of the paper on w / a.
FORMULAS = {
    "paretoq-seq": (4.0, lambda u: ((u * 2 - 0.5).round() + 0.5) / 2),
    "paretoq-ternary": (1.5, lambda u: (u * 1.5).round() / 1.5),
}


@pytest.mark.parametrize("name", FORMULAS)
def test_levels_and_gradients_are_those_of_the_formula(name: str) -> None:
    parts, formula = FORMULAS[name]
    weight = torch.randn(3, 400, generator=torch.Generator().manual_seed(0))
    upstream = torch.randn(3, 400, generator=torch.Generator().manual_seed(1))
    made = quantizer(name)
    made.initialize(weight)
    assert isinstance(made, LearnedStepQuantizer)
    step = (made.scales(weight).detach() * parts).squeeze(-1)  # a of the paper
    u = weight / step
    q = formula(u.clamp(-0.99, 0.99))
    codes = made.export(weight)
    assert isinstance(codes, Codes)
    torch.testing.assert_close(torch.from_numpy(codes.dequantize()), q * step, rtol=1e-6, atol=1e-6)

    blocks = weight.unsqueeze(1).requires_grad_()
    scales = made.scales(weight).detach().requires_grad_()
    learned_step(blocks, scales, codes.grid, "stretched").backward(upstream.unsqueeze(1))
    inside = u.abs() <= 0.99
    assert not inside.all()
    assert blocks.grad is not None
    torch.testing.assert_close(blocks.grad.squeeze(1), upstream * inside)
    of_a: Tensor = (upstream * torch.where(inside, q - u, q)).sum(-1) / weight.numel() ** 0.5
    assert scales.grad is not None
    torch.testing.assert_close(scales.grad.flatten(), of_a * parts, rtol=1e-4, atol=1e-4)  # a = parts * scale
