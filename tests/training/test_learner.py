"""What every learner does: gradients of a batch in parts, stops, checkpoints in time, losses that are not finite."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from pentanet.data.batches import RandomWindows
from pentanet.data.dataset import TokenStream
from pentanet.errors import NonFiniteLossError
from pentanet.families import LlamaConfig
from pentanet.families.build import build
from pentanet.nn import Trainable
from pentanet.training.learner import Learner
from pentanet.training.loss import token_losses
from pentanet.training.optimizers import Optimizers
from pentanet.training.signals import StopRequest
from pentanet.training.state import State

CPU = torch.device("cpu")
TOKENS = np.random.RandomState(0).randint(0, 11, 200)


class Plain(Learner[State]):
    """Four steps at one rate, with a checkpoint due after every second; `saves` has the steps of those written."""

    def __init__(self, windows: int = 0, clip: float = 0.0) -> None:
        network = build(
            LlamaConfig(layers=1, width=16, heads=2, kv_heads=1, hidden=24, context=8), 11, Trainable("ternary")
        )
        network.initialize(torch.Generator().manual_seed(0))
        optimizers = Optimizers(network, [torch.optim.SGD(network.parameters(), lr=0.1)])
        batches = RandomWindows(TokenStream(tokens=TOKENS.astype(np.uint16), name="text"), 4, 8, 0)
        state = State(network=network, optimizer=optimizers, batches=batches)
        super().__init__(state, device=CPU, precision="float32", clip=clip, windows=windows)
        self.saves: list[int] = []

    @property
    def finished(self) -> bool:
        return self.state.step >= 4

    def save(self) -> None:
        self.saves.append(self.state.step)

    def _due(self) -> bool:
        return self.state.step % 2 == 0

    def _loss(self, x_BT: Tensor, y_BT: Tensor) -> Tensor:
        return token_losses(self.state.network, x_BT, y_BT).mean()

    def _step(self) -> float:
        gradient = self._forward_backward()
        self.state.optimizer.apply(1.0)
        self.state.step += 1
        return gradient.loss

    def _advice(self) -> str:
        return "rest a while"


@pytest.mark.parametrize("windows", [1, 2, 3])
def test_a_batch_in_parts_has_the_gradient_of_the_whole(windows: int) -> None:
    whole, parts = Plain(), Plain(windows)
    first, second = whole._forward_backward(), parts._forward_backward()
    assert (first.loss, first.norm) == pytest.approx((second.loss, second.norm), rel=1e-5)
    for p, q in zip(whole.state.network.parameters(), parts.state.network.parameters(), strict=True):
        torch.testing.assert_close(p.grad, q.grad)


def test_the_gradient_is_clipped() -> None:
    learner = Plain(clip=1e-3)
    assert learner._forward_backward().norm > 1e-3
    squares = [p.grad.square().sum() for p in learner.state.network.parameters() if p.grad is not None]
    assert torch.stack(squares).sum().sqrt().item() == pytest.approx(1e-3, rel=1e-3)


def test_it_saves_when_due_but_not_at_the_end() -> None:
    learner, losses = Plain(), list[float]()
    assert learner.learn(StopRequest(), losses.append)
    assert (len(losses), learner.saves) == (4, [2])
    assert learner.seconds > 0


def test_a_stop_ends_it_and_it_goes_on() -> None:
    learner, stop = Plain(), StopRequest()

    def ask(_: float) -> None:
        stop.signal = 2

    assert not learner.learn(stop, ask)
    assert learner.state.step == 1
    assert learner.learn(StopRequest(), lambda _: None)
    assert learner.state.step == 4


def test_a_thawed_state_goes_on_as_the_first() -> None:
    learner, other = Plain(), Plain()
    learner._step()
    frozen = learner.state.frozen({"own": 1}, {"extra": torch.ones(1)})
    weights = {name: value.detach().clone() for name, value in frozen.weights.items()}
    other.state.thaw(type(frozen)(step=frozen.step, weights=weights, optimizer=frozen.optimizer, state=frozen.state))
    assert (other.state.step, frozen.state["own"]) == (1, 1)
    assert learner._step() == other._step()


def test_what_is_not_finite_is_told_with_its_step_and_advice() -> None:
    learner = Plain()
    learner.state.network.model.norm.weight.data.fill_(torch.nan)
    with pytest.raises(NonFiniteLossError, match="step 1: the loss is nan; rest a while"):
        learner.learn(StopRequest(), lambda _: None)
    assert learner.state.step == 0
