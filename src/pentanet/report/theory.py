"""What a Gaussian weight would do under a method's scale rule: the line that a measured occupancy is read against.

The names are those of the registry in `pentanet.quant`, which needs torch and is therefore not asked here; a test
holds the two together.
"""

from __future__ import annotations

import math

from pentanet.grid import BINARY, GRIDS, PENTANARY, QUATERNARY, SEPTENARY, TERNARY, Grid

# mean |x| of a standard normal variable: the scale of absmean in standard deviations.
ABSMEAN = math.sqrt(2 / math.pi)

# Grid and scale in standard deviations; None is the scale of the least squared error.
RULES: dict[str, tuple[Grid, float | None]] = {
    "binary": (BINARY, ABSMEAN),
    "bitnet-seed": (TERNARY, ABSMEAN),
    "bitnet-seed-rescaled": (TERNARY, ABSMEAN),
    "pentanet-seed": (PENTANARY, ABSMEAN),
    "ternary": (TERNARY, None),
    "pentanary": (PENTANARY, None),
    "quaternary": (QUATERNARY, None),
    "septenary": (SEPTENARY, None),
    "int4": (GRIDS["int4"], None),
    "ternary-row-absmean": (TERNARY, ABSMEAN),
    "ternary-tensor-optimum": (TERNARY, None),
    "pentanary-row-absmean": (PENTANARY, ABSMEAN),
    "pentanary-tensor-optimum": (PENTANARY, None),
    "pentanary-mix": (PENTANARY, None),
    "bitnet-b158": (TERNARY, ABSMEAN),
    "trilm": (TERNARY, ABSMEAN),
    "tbt-ternary": (TERNARY, 4 / 3 * ABSMEAN),
    "tbt-binary": (BINARY, ABSMEAN),
    "quest-ternary": (TERNARY, None),
    "quest-pentanary": (PENTANARY, None),
    "quest-hadamard-ternary": (TERNARY, None),
    "quest-hadamard-pentanary": (PENTANARY, None),
    "hgf": (TERNARY, ABSMEAN),
    "hgf-ungated": (TERNARY, ABSMEAN),
    "hestia-ternary": (TERNARY, None),
    "hestia-pentanary": (PENTANARY, None),
}


def gaussian_occupancy(method: str) -> dict[int, float]:
    """Share of Gaussian weights at each level; empty for a method without a fixed scale rule (learned steps)."""
    if method not in RULES:
        return {}
    grid, scale = RULES[method]
    fit = grid.gaussian(grid.optimal_scale() if scale is None else scale)
    return dict(zip(grid.levels, fit.occupancy, strict=True))
