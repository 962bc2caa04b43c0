"""A late start in the loop: the first steps do not round, and learned steps begin with the rounding."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from pentanet.data.dataset import Dataset
from pentanet.errors import ConfigError
from pentanet.nn import method_modules
from pentanet.quant.late_rounding import LateQuantizer
from pentanet.quant.learned_step import LearnedStepQuantizer
from pentanet.training.config import TrainConfig
from pentanet.training.loop import Loop, Progress
from pentanet.training.signals import StopRequest

Configure = Callable[..., TrainConfig]
LATE = ("weights.method=lsq-pentanary", "weights.start=0.5", "steps=4", "checkpoint_every=2", "eval_every=4")


def quiet(_: Progress) -> None:
    pass


def steps_and_scales(loop: Loop) -> tuple[torch.Tensor, torch.Tensor]:
    """Logarithms of the learned steps of one matrix, and of what its weights would start them at."""
    _, module = next(method_modules(loop.network))
    assert isinstance(module.quantizer, LateQuantizer)
    inner = module.quantizer.inner
    assert isinstance(inner, LearnedStepQuantizer)
    with torch.no_grad():
        return inner.log_step.detach().clone(), inner.scale(inner.granularity.blocks(module.weight)).log()


def test_learned_steps_begin_at_the_weights_of_that_moment(configure: Configure, tiny: Dataset, tmp_path: Path) -> None:
    config = configure("llama", *LATE, "optimizer.lr=0.01")
    loop = Loop(config, tiny, tmp_path, pytest.fail)
    seen: list[tuple[torch.Tensor, torch.Tensor]] = [steps_and_scales(loop)]
    loop.run(StopRequest(), lambda _: seen.append(steps_and_scales(loop)))
    assert torch.equal(*seen[0])
    assert torch.equal(seen[2][0], seen[0][0])  # nobody moves them while nothing is rounded
    assert not torch.allclose(seen[2][1], seen[0][1], atol=1e-4)
    torch.testing.assert_close(seen[3][0], seen[2][1], atol=0.011, rtol=0)  # one update from there
    assert not torch.equal(seen[3][0], seen[2][1])
    rows = (tmp_path / "metrics.jsonl").read_bytes()
    shutil.rmtree(loop.store.paths()[-1])  # a run that stopped just before the rounding began
    again = Loop(config, tiny, tmp_path, pytest.fail)
    assert again.resume()
    assert again.state.step == 2
    again.run(StopRequest(), quiet)
    assert (tmp_path / "metrics.jsonl").read_bytes() == rows


def test_the_first_steps_do_not_depend_on_the_method(configure: Configure, tiny: Dataset, tmp_path: Path) -> None:
    losses: dict[str, list[float]] = {}
    for method in ("ternary", "pentanary"):
        config = configure("llama", *LATE, f"weights.method={method}")
        found = losses.setdefault(method, [])
        (tmp_path / method).mkdir()
        Loop(config, tiny, tmp_path / method, pytest.fail).run(StopRequest(), lambda p, to=found: to.append(p.loss))
    assert losses["ternary"][:2] == losses["pentanary"][:2]
    assert losses["ternary"][2] != losses["pentanary"][2]


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        (["weights.start=1"], r"weights\.start = 1.*must lie in \[0, 1\)"),
        (["weights.anneal=-0.1"], r"weights\.anneal = -0\.1"),
        (["weights.start=0.6", "weights.anneal=0.5"], "their sum must be at most 1"),
        (["weights.start=0.9", "steps=3"], "none of 3 steps is left to train rounded"),
    ],
)
def test_times_that_leave_nothing(configure: Configure, pairs: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        configure("llama", *pairs)
