"""What a method adds to the time of a training step.

Every round makes one step of each method in turn, within seconds of each other, and divides by what full precision
took in the same round: clocks and neighbours change from second to second.  The median over the rounds counts.  What is
measured is the time of the processor, on one thread: not what other programs take away from it.
"""

from __future__ import annotations

import dataclasses
import math
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch

from pentanet.nn import set_progress
from pentanet.nn.precision import autocast, resolve_precision
from pentanet.quant import method
from pentanet.training.config import TrainConfig
from pentanet.training.loop import new_network
from pentanet.training.loss import token_losses
from pentanet.training.optimizers import Optimizer

BASE = "full-precision"
SIZE = ("model.width=256", "model.heads=4", "model.kv_heads=4", "model.hidden=704", "model.context=128", "batch.size=8")
"""Where products of matrices take most of a step: about three million weights."""
VOCAB, ROUNDS, WARM = 1024, 15, 2
PROGRESS = 0.45  # of the training: where a method has a schedule, something of it is going on


def cost(
    config: TrainConfig,
    methods: Sequence[str],
    *,
    rounds: int = ROUNDS,
    progress: Callable[[int], None] = lambda _: None,
) -> list[dict[str, Any]]:
    """Time of a step of each method, on random tokens, over that of full precision.

    Args:
        config: the recipe; the method is set here.
        methods: registry names; full precision comes first in any case.
        rounds: steps of each that count.
        progress: told the number of rounds that are done.

    Returns:
        For each method its `name`, `seconds` (median), `ratio` (median over the rounds), and `low` and `high`, the
        quarter and three quarters of the rounds.

    Raises:
        UnknownNameError: no such method.
    """
    names = [BASE, *(name for name in dict.fromkeys(methods) if name != BASE)]
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        steps = {name: _step(config, name) for name in names}
        seconds: dict[str, list[float]] = {name: [] for name in names}
        for done in range(-WARM, rounds):
            for name in names:
                started = time.process_time()
                steps[name]()
                taken = time.process_time() - started
                if done >= 0:
                    seconds[name].append(taken)
            progress(max(0, done + 1))
    finally:
        torch.set_num_threads(before)
    return [_row(name, seconds[name], seconds[BASE]) for name in names]


def _step(config: TrainConfig, name: str) -> Callable[[], None]:
    """One optimizer step of a fresh network on tokens of its own."""
    method(name)
    config = dataclasses.replace(config, weights=dataclasses.replace(config.weights, method=name))
    device = torch.device("cpu")
    precision = resolve_precision(config.precision, device)
    network = new_network(config, VOCAB).train()
    optimizer = Optimizer(network, config.optimizer, config.schedule, config.steps)
    set_progress(network, PROGRESS)
    drawn = torch.randint(
        VOCAB, (2, config.batch.size, config.model.context), generator=torch.Generator().manual_seed(0)
    )
    x, y = drawn

    def step() -> None:
        with autocast(device, precision):
            loss = token_losses(network, x, y).mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), config.optimizer.clip or math.inf).item()
        optimizer.step(config.steps // 2)

    return step


def _row(name: str, seconds: Sequence[float], base: Sequence[float]) -> dict[str, Any]:
    ratios = [own / of_base for own, of_base in zip(seconds, base, strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4, method="inclusive") if len(ratios) > 1 else ratios * 3
    return {"name": name, "seconds": statistics.median(seconds), "ratio": middle, "low": low, "high": high}
