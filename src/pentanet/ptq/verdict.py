"""Whether a quantized model is fit for use, in words."""

from __future__ import annotations

import math

UNUSABLE_NATS = 1.0  # above the original: a perplexity of 2.7 times as much
UNUSABLE_ERROR = 0.25  # of the weights; round to nearest at 5 levels has 0.29 on SmolLM2-135M, and ruins it


def warnings(before: float | None, after: float | None, weight_error: float) -> list[str]:
    """Reasons not to use the model; none where there are none.

    Args:
        before: perplexity of the original, None where no text was given.
        after: perplexity of what was made of it.
        weight_error: |W - Q| / |W| over the quantized matrices.
    """
    if before is None or after is None:
        if weight_error > UNUSABLE_ERROR:
            return [
                f"the weights are off by {100 * weight_error:.0f} % of their size and nothing was measured: "
                "the model may be unusable. Measure it: --text FILE."
            ]
        return []
    excess = math.log(after / before) if math.isfinite(after) else math.inf
    if not excess < UNUSABLE_NATS:
        return [
            f"THE MODEL IS UNUSABLE: its perplexity rose from {before:.4g} to {after:.4g}. Use more levels, "
            "smaller groups or a calibrated method, and finetune it."
        ]
    return []
