"""The path beside a linear: nothing at the start, its gate slow, pulled and frozen."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
import torch

from pentanet.nn import QuantLinear, Trainable, count_parameters, quantized_modules
from pentanet.nn.low_rank import FREEZE, GATE, GATE_RATE, PULL, LowRankPath
from pentanet.training.config import TrainConfig
from pentanet.training.loop import new_network
from pentanet.training.optimizers import Optimizer

Configure = Callable[..., TrainConfig]


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def drawn(inputs: int, outputs: int, *, gated: bool) -> LowRankPath:
    path = LowRankPath(inputs, outputs, gated=gated)
    path.draw(torch.Generator().manual_seed(0))
    return path


def test_shapes_and_product() -> None:
    path = drawn(256, 48, gated=True)
    assert (path.down.shape, path.up.shape) == ((2, 256), (48, 2))
    assert LowRankPath(96, 8, gated=False).down.shape == (1, 96)
    with torch.no_grad():
        path.up.copy_(normal(48, 2))
    x = normal(3, 256, seed=1)
    stored = (path.up.bfloat16().float() @ path.down.bfloat16().float()).detach()
    torch.testing.assert_close(path(x, 0.0), GATE * x @ stored.T)
    path.gate = None
    torch.testing.assert_close(path(x, 0.0), x @ stored.T)


@pytest.mark.parametrize("method", ["hgf", "hgf-ungated"])
def test_at_the_start_the_network_is_that_of_bitnet(configure: Configure, method: str) -> None:
    ids = torch.arange(12)[None]
    logits = []
    for name in (method, "bitnet-b158"):
        config = configure("llama")
        config = dataclasses.replace(config, weights=dataclasses.replace(config.weights, method=name))
        logits.append(new_network(config, 270)(ids))
    assert torch.equal(*logits)


def test_its_weights_are_counted_and_the_gate_moves_slowly(configure: Configure) -> None:
    config = configure("llama", "weights.method=hgf", "model.layers=1", "optimizer.kind=adamw", "optimizer.lr=0.01")
    network = new_network(config, 270)
    plain = new_network(configure("llama", "weights.method=bitnet-b158", "model.layers=1"), 270)
    linears = [m for _, m in quantized_modules(network) if isinstance(m, QuantLinear) and m.low_rank is not None]
    assert len(linears) == 7
    extra = sum(m.weight.shape[0] + m.weight.shape[1] + 1 for m in linears)  # of rank 1, and the gate
    assert count_parameters(network)[0] - count_parameters(plain)[0] == extra
    path = linears[0].low_rank
    assert path is not None
    assert path.gate is not None
    with torch.no_grad():
        path.up.fill_(0.1)
    before = (path.gate * GATE_RATE).detach().clone(), path.down.detach().clone()
    optimizer = Optimizer(network, dataclasses.replace(config.optimizer, weight_decay=0.0), config.schedule, 100)
    network(torch.arange(12)[None]).square().mean().backward()
    lr = optimizer.step(50)
    moved = abs((path.gate * GATE_RATE - before[0]).item())
    assert moved == pytest.approx(lr * GATE_RATE, rel=0.01)  # AdamW's first step is one rate
    assert (path.down - before[1]).abs().max().item() == pytest.approx(lr, rel=0.01)


def test_the_gate_is_pulled_and_then_frozen() -> None:
    path = drawn(32, 4, gated=True)
    assert path.gate is not None
    with torch.no_grad():
        path.gate.fill_(6.0)
    gate = torch.tensor(6.0 * GATE_RATE).tanh()
    path(normal(3, 32), 0.0).sum().backward()  # B is zero: nothing but the pull
    slope = 2 * PULL * (gate - GATE) * (1 - gate**2) * GATE_RATE
    assert path.gate.grad is not None
    assert path.gate.grad.item() == pytest.approx(slope.item(), rel=1e-4)
    path.gate.grad = None
    path(normal(3, 32), FREEZE).sum().backward()
    assert path.gate.grad is None


def test_only_the_linears_of_the_blocks_have_one() -> None:
    make = Trainable("hgf", "grid", "grid", low_rank="gated")
    assert isinstance(make.linear(32, 8).low_rank, LowRankPath)
    assert make.head(32, 8, None).low_rank is None
