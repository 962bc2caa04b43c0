"""What the publication that this project started from does not say, with the numbers of its own logs.

Source: github.com/Kyworn/PentaNet-v1.0 at 19eda2d (28 March 2026), and 7a9d8e4 where named.  What theory gives is
computed here.
"""

from __future__ import annotations

from pentanet.bench.statistics import t_interval
from pentanet.grid import GAUSSIAN_ABSMEAN, PENTANARY, TERNARY
from pentanet.report.formats import percent, signed

# Best validation loss of ternary less that of five levels, for seeds 42, 1337 and 2026.
PUBLISHED_LEADS = (0.057517, 0.047884, 0.092371)


def published() -> list[tuple[str, str]]:
    """Heading and text of each point."""
    five, three = PENTANARY.gaussian(GAUSSIAN_ABSMEAN), TERNARY.gaussian(GAUSSIAN_ABSMEAN)
    five_best, three_best = (grid.gaussian(grid.optimal_scale()).mse for grid in (PENTANARY, TERNARY))
    outer, inner, zero = (percent(five.occupancy[i], 2) for i in (0, 1, 2))
    lead = t_interval(PUBLISHED_LEADS)
    assert lead is not None
    return [
        (
            "A stable occupancy is no evidence of use.",
            f"Normally distributed weights under absmean stand at {outer} on each outer level, {inner} on each "
            "inner one and "
            f"{zero} on zero. The published counts are these at the first step and within a percentage point of "
            "them at the "
            "last. The scale follows the weights, so no level can empty by their shrinking. What can speak of use "
            "is how "
            "many weights change their level, and how far the weights are from Gaussian; both are reported here.",
        ),
        (
            "The scale rule suits five levels and not three.",
            f"Absmean leaves ternary {percent(three.mse / three_best - 1, 0)} above its least squared error and five "
            f"levels {percent(five.mse / five_best - 1, 1)} above theirs. It also "
            f"shrinks the variance of the weights in use to {three.variance:.2f} (ternary) and "
            f"{five.variance:.2f} (five levels). Alphabet and rule are changed together.",
        ),
        (
            "There is no full-precision control.",
            "How much of what a grid costs five levels win back cannot be known from it.",
        ),
        (
            "Three levels lead for the first half.",
            "In the published logs the ternary network is ahead until iteration 4 500 to 5 500 of 10 000 in each of "
            "the three "
            "seeds. The text puts the separation at 2 000.",
        ),
        (
            "Three seeds say little.",
            f"The lead in loss is {signed(lead.mean, 3)} nats with a 95 % interval of {signed(lead.low, 3)} to "
            f"{signed(lead.high, 3)} (paired by seed, p = {lead.p:.3f}). The deviations are printed with the "
            "divisor n; with "
            "n \u2212 1 they are a fifth larger.",
        ),
        (
            "The lead turns round in a deeper network.",
            "With 24 layers and 354 M parameters the same code gave perplexities of 306 and 330 with five levels, "
            "and 282 and "
            "280 with three. The author himself published these records, and a search for the cause "
            "(INVESTIGATION.md, 7a9d8e4).",
        ),
        (
            "The head is quantized.",
            "The text excludes embedding and head; in the code the head is on the grid and shares its matrix with the "
            "embedding, and the counts of levels in the logs add up to 123 532 032 weights, head included.",
        ),
        (
            "The loss is an estimate.",
            "It is the least of 21 evaluations of 50 random batches each, other batches every time. Here it is the "
            "loss of "
            "the finished network on the same tokens for every method.",
        ),
    ]
