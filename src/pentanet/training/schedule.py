"""Learning rate and weight decay as functions of the step."""

from __future__ import annotations

import math

from pentanet.training.config import ScheduleConfig


def rate(config: ScheduleConfig, step: int, steps: int) -> float:
    """Learning rate at `step` of `steps`, as a share of the peak; steps count from 0."""
    if step < config.warmup:
        return (step + 1) / config.warmup
    progress = (step - config.warmup) / max(1, steps - config.warmup)
    match config.kind:
        case "cosine":
            return config.final + (1 - config.final) * 0.5 * (1 + math.cos(math.pi * progress))
        case "warmdown":
            left = min(1.0, (steps - step) / max(1.0, config.warmdown * steps))
            return config.final + (1 - config.final) * left
        case "two-stage":
            dropped = config.drop_to if step >= config.drop_at * steps else 1.0
            return dropped * (1 - (1 - config.final) * progress)


def decay(config: ScheduleConfig, step: int, steps: int) -> float:
    """Weight decay at `step`, as a share of the configured one: 1, then 0 from `decay_off` on."""
    return 1.0 if step < config.decay_off * steps else 0.0


def clock_rate(share: float, first: float, warm: float = 0.05) -> float:
    """Learning rate of a run that may end by the clock, as a share of the peak: a cosine from its start to its end.

    Args:
        share: of the run that is done, by steps or by time.
        first: what a step adds to it.
        warm: share of the run over which the rate rises to that cosine.
    """
    return min(1.0, (share + first) / warm) * 0.5 * (1 + math.cos(math.pi * share))
