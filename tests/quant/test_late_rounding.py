"""Rounding that begins late: nothing before, a straight line, and the method alone at the end and in validation."""

from __future__ import annotations

import pytest
import torch

from pentanet.codes import Codes
from pentanet.nn import QuantLinear, Trainable
from pentanet.quant import quantizer
from pentanet.quant.hadamard import rotate
from pentanet.quant.late_rounding import LateQuantizer
from pentanet.quant.residual import ResidualQuantizer
from pentanet.quant.uniform import Cast


def normal(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def test_the_share_of_the_rounded_weight() -> None:
    made = LateQuantizer(quantizer("ternary"), start=0.5, anneal=0.25)
    assert [made.share(p) for p in (0.0, 0.49, 0.5, 0.625, 0.75, 1.0)] == [0, 0, 0, 0.5, 1, 1]
    at_once = LateQuantizer(quantizer("ternary"), start=0.5, anneal=0.0)
    assert [at_once.share(p) for p in (0.49, 0.5, 1.0)] == [0, 1, 1]
    to_the_end = LateQuantizer(quantizer("ternary"), start=0.0, anneal=1.0)
    assert [to_the_end.share(p) for p in (0.0, 0.5, 1.0)] == [0, 0.5, 1]


@pytest.mark.parametrize("name", ["pentanary", "lsq-pentanary", "quest-hadamard-ternary"])
def test_values_and_gradients(name: str) -> None:
    weight, upstream = normal(6, 64).requires_grad_(), normal(6, 64) + 1
    made = LateQuantizer(quantizer(name), start=0.4, anneal=0.4)
    made.initialize(weight.detach())
    latent = rotate(weight) if "hadamard" in name else weight
    hard = made.inner.fake(weight, 1.0)
    exported = made.export(weight)
    assert isinstance(exported, Codes)
    for progress, share in ((0.3, 0.0), (0.5, 0.25), (0.8, 1.0), (1.0, 1.0)):
        used = made.train().fake(weight, progress)
        torch.testing.assert_close(used, latent + share * (hard - latent))
        (found,) = torch.autograd.grad(used, weight, upstream, retain_graph=True)
        (soft,) = torch.autograd.grad(latent, weight, upstream, retain_graph=True)
        (rounded,) = torch.autograd.grad(hard, weight, upstream, retain_graph=True)
        torch.testing.assert_close(found, soft + share * (rounded - soft))
        if share == 1:
            assert torch.equal(used, hard)
        assert torch.equal(made.eval().fake(weight, progress), torch.from_numpy(exported.dequantize()))


def test_a_schedule_of_the_method_has_the_rest_of_the_training() -> None:
    seen: list[float] = []

    def note(progress: float) -> float:
        seen.append(progress)
        return 0.0

    made = LateQuantizer(ResidualQuantizer(quantizer("ternary"), note), start=0.5, anneal=0.0)
    for progress in (0.25, 0.5, 0.75, 1.0):
        made.fake(normal(2, 8), progress)
    assert seen == [0.0, 0.5, 1.0]


def test_dead_weights_act_once_they_are_dead() -> None:
    weight = normal(3, 128)
    made = LateQuantizer(quantizer("tequila"), start=0.5, anneal=0.0)
    linear = QuantLinear(3, 128, made)
    with torch.no_grad():
        linear.weight.copy_(weight)
    nothing = torch.zeros(1, 128)
    linear.progress = 0.0
    assert not linear(nothing).any()
    linear.progress = 0.5
    assert linear(nothing).all()


def test_what_begins_late() -> None:
    def kinds(method: str, **times: float) -> list[type]:
        make = Trainable(method, "int8", "grid", **times)
        return [type(m.quantizer) for m in (make.linear(8, 8), make.embedding(11, 8), make.head(8, 11, None))]

    plain = type(quantizer("ternary"))
    assert kinds("ternary") == [plain, plain, plain]
    assert kinds("ternary", start=0.5) == kinds("ternary", anneal=0.5) == [LateQuantizer, plain, LateQuantizer]
    assert kinds("full-precision", start=0.5) == [Cast, plain, Cast]
