"""What one finetuning is."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pentanet.errors import ConfigError


@dataclass(frozen=True, kw_only=True, slots=True)
class FinetuneConfig:
    """Settings of a finetuning."""

    steps: int = 200
    """Optimizer steps."""
    minutes: float = 0.0
    """Stop after so many minutes, with the schedule ending there; such a run does not repeat exactly. 0: no limit."""
    batch: int = 8
    """Windows in a step."""
    window: int = 512
    """Tokens in a window."""
    lr: float = 3e-3
    """Peak rate of AdamW for norms, biases and the logarithms of scales; it warms up over 5 % of the run and falls to
    zero along a cosine."""
    weight_lr: float = 5e-3
    """Peak rate for the weights, which count in steps from level to level; 0 to leave levels as they are."""
    seed: int = 0
    """Of the windows that are drawn."""

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "window"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} {getattr(self, name)}: must be at least 1")
        if not 0 <= self.minutes < math.inf or not 0 < self.lr < math.inf or not 0 <= self.weight_lr < math.inf:
            raise ConfigError(
                f"minutes {self.minutes}, lr {self.lr}, weight_lr {self.weight_lr}: must not be negative, nor lr zero"
            )
