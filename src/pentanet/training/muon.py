"""Muon: momentum whose every matrix is replaced by a nearby orthogonal one.

Source: Jordan 2024, kellerjordan.github.io/posts/muon.  torch.optim.Muon is the reference in the tests; it iterates in
bfloat16 and one matrix at a time, which without bfloat16 instructions took four times the rest of a nano step
(docs/lab/index.md).  Here matrices of one shape are iterated together, in float32 on a CPU and in bfloat16 on a GPU.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

# Quintic with slope 3.4445 at zero: singular values above 0.01 reach about 0.7 to 1.2 in five iterations.
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
ITERATIONS = 5


def orthogonalize(matrices: Tensor) -> Tensor:
    """Newton-Schulz iteration on [n, rows, cols]: about U V^T of each matrix U S V^T."""
    a, b, c = COEFFICIENTS
    tall = matrices.shape[-2] > matrices.shape[-1]
    x = matrices.transpose(-2, -1) if tall else matrices
    x = x / x.norm(dim=(-2, -1), keepdim=True).clamp_min(1e-7)
    for _ in range(ITERATIONS):
        gram = x @ x.transpose(-2, -1)
        x = a * x + (b * gram + c * (gram @ gram)) @ x
    return x.transpose(-2, -1) if tall else x


class Muon(torch.optim.Optimizer):
    """Nesterov momentum, orthogonalized, times lr * sqrt(max(1, rows / cols)); decoupled weight decay.

    Args:
        params: matrices.
        lr: learning rate.
        weight_decay: times the learning rate.
        momentum: of the gradient.
    """

    def __init__(
        self, params: Iterable[nn.Parameter], lr: float = 0.02, weight_decay: float = 0.0, momentum: float = 0.95
    ) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        assert closure is None
        for group in self.param_groups:
            by_shape: dict[torch.Size, list[nn.Parameter]] = {}
            for parameter in group["params"]:
                if parameter.grad is not None:
                    by_shape.setdefault(parameter.shape, []).append(parameter)
            for parameters in by_shape.values():
                self._update(parameters, group["lr"], group["weight_decay"], group["momentum"])

    def _update(self, parameters: list[nn.Parameter], lr: float, weight_decay: float, momentum: float) -> None:
        rows, cols = parameters[0].shape
        directions: list[Tensor] = []
        for parameter in parameters:
            state, grad = self.state[parameter], parameter.grad
            assert grad is not None
            if "momentum_buffer" not in state:
                state["momentum_buffer"] = torch.zeros_like(grad)
            buffer: Tensor = state["momentum_buffer"].lerp_(grad, 1 - momentum)
            directions.append(grad.lerp(buffer, momentum))
        stacked = torch.stack(directions)
        updates = orthogonalize(stacked.bfloat16() if stacked.is_cuda else stacked).to(stacked.dtype)
        for parameter, update in zip(parameters, updates.unbind(), strict=True):
            parameter.mul_(1 - lr * weight_decay)
            parameter.add_(update, alpha=-lr * max(1.0, rows / cols) ** 0.5)
