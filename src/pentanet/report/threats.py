"""What the numbers of a bench cannot show, said on the page and in the paper alike."""

from __future__ import annotations

from pentanet.report.records import Bench
from pentanet.report.sizes import over_depth

ALWAYS = (
    "\u201cNot distinguishable\u201d is not \u201cequal\u201d: the interval says how large a difference could have "
    "been "
    "missed.",
    "A model this small, trained this briefly, ranks methods at this size and budget. Orders have been seen to turn "
    "round at larger ones.",
    "One learning rate serves all methods; a method that prefers another is put at a disadvantage.",
    "One corpus and one tokenizer.",
    "Times are those of training with simulated quantization on this machine. They say nothing of the speed of the "
    "packed model.",
)


def threats(bench: Bench) -> list[str]:
    """Threats to validity, those of this bench first."""
    found: list[str] = []
    seeds = len(bench.seeds)
    if seeds == 1:
        found.append("One seed: the spread between seeds is unknown and no difference here can be tested.")
    elif seeds < 6:
        found.append(
            f"{seeds} seeds: the interval is wide and rests on the differences being normally distributed, which so "
            "few cannot show."
        )
    if over_depth(bench):
        found.append(
            "Deeper networks here are narrower, so that the number of weights stays about the same: depth and width "
            "are changed together."
        )
    return [*found, *ALWAYS]
