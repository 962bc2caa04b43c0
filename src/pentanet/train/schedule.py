"""Learning rate and weight decay as functions of the step."""

from __future__ import annotations

import math

from pentanet.train.config import ScheduleConfig


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
