"""What a Gaussian weight would do under a method's scale rule: the line that a measured occupancy is read against."""

from __future__ import annotations


def gaussian_occupancy(method: str) -> dict[int, float]:
    """Share of Gaussian weights at each level.

    Empty for a method without a fixed scale rule (learned steps), and for one that this installation does not know.
    """
    from pentanet.quant import METHODS  # needs torch, which a report without methods on a grid does without

    known = METHODS.get(method)
    return known.gaussian_occupancy() if known else {}
