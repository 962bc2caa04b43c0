"""What the paper says, as JSON for its template: text and tables, no layout."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from pentanet import __version__
from pentanet.grid import BINARY, GAUSSIAN_ABSMEAN, PENTANARY, SEPTENARY, TERNARY
from pentanet.report.facts import facts, moment
from pentanet.report.formats import number, percent, signed, size
from pentanet.report.paper.published import published
from pentanet.report.records import Arm, Bench
from pentanet.report.runs import Run
from pentanet.report.sizes import differences, sizes
from pentanet.report.sizes import sentence as at_sizes
from pentanet.report.threats import threats
from pentanet.report.verdicts import (
    by_control,
    contrast_numbers,
    evidence,
    headline,
    interval,
    mean_sd,
    sentence,
)

Json = dict[str, Any]
CONTROLS = 3  # columns of differences that a page has room for
SAMPLES = 6
CAPTIONS = {
    "convergence": "Validation loss over training. Line: mean over seeds; band: from the lowest to the highest. "
    "The first twentieth is cut off.",
    "occupancy": "Share of the quantized weights at each level after training, mean over seeds. Black lines: what "
    "normally distributed weights give under the same scale rule. A bar that ends on its line says that the weights "
    "stayed Gaussian, not that training used the level.",
    "differences": "Paired differences in validation loss with 95 % intervals. One that crosses zero cannot tell the "
    "two apart.",
    "depth": "Validation loss over depth, with every seed as a dot, and the paired differences at each depth.",
    "frontier": "Validation loss against the size of the packed file. Large marks: means; dots: seeds; a line joins "
    "the sizes of one method. Lower and further left is better.",
    "flips": "Share of the quantized weights that change their level in one step, at each validation.",
    "inside": "What is measured in the blocks (of a crowd of methods in the known ones), over training (mean over "
    "blocks; for the residual the last block) and by block at its end. Dead zone: on level 0 in three validations in "
    "a row. Saturation: beyond what rounds to the outer levels. Effective variance: mean square in use over that of "
    "the latent weights. Gradient rank: effective rank.",
}


def paper(suites: Sequence[tuple[Bench, Sequence[Run]]], figures: Sequence[Sequence[str]]) -> Json:
    """The whole paper.

    Args:
        figures: names of the figures there are, for each suite; their files are N-NAME.svg with the suite's place.
    """
    benches = [bench for bench, _ in suites]
    found = [threats(bench) for bench in benches]
    return {
        "date": moment(max((str(bench.facts.get("created") or "") for bench in benches), default="")),
        "version": __version__,
        "summary": [line for bench in benches for line in _summary(bench)],
        "grids": _grids(),
        "suites": [_suite(bench, runs, place, figures[place]) for place, (bench, runs) in enumerate(suites)],
        "published": published(),
        "threats": list(dict.fromkeys(threat for list_ in found for threat in list_)),
        "runs": sum(len(arm.seeds) for bench in benches for arm in bench.arms),
        "samples": _samples(benches),
    }


def _summary(bench: Bench) -> list[str]:
    """What a suite found, in a sentence or two."""
    verdicts = _verdicts(bench)
    lines = [f"{bench.suite}: {verdicts[0]}"] if verdicts else []
    return lines + [f"{c.title}: {c.verdict} ({contrast_numbers(c)})." for c in bench.contrasts]


def _verdicts(bench: Bench) -> list[str]:
    pairs = [at_sizes(pair, rows) for pair, rows in differences(bench).items()]
    if pairs:
        return pairs
    top = headline(bench)
    first = [f"{sentence(top)} ({evidence(top)})" if evidence(top) else sentence(top)] if top else []
    return first + [f"Loss against {control}: {ending}." for control, ending in by_control(bench)]


def _suite(bench: Bench, runs: Sequence[Run], place: int, figures: Sequence[str]) -> Json:
    heads, rows = _table(bench)
    return {
        "name": bench.suite,
        "title": str(bench.facts.get("title") or bench.suite),
        "facts": facts(bench, runs),
        "verdicts": _verdicts(bench),
        "contrasts": [(c.title, contrast_numbers(c), c.verdict) for c in bench.contrasts],
        "heads": heads,
        "rows": rows,
        "figures": [(f"{place}-{name}.svg", CAPTIONS[name]) for name in figures],
        "seeds": len(bench.seeds),
    }


def _table(bench: Bench) -> tuple[list[str], list[list[list[str]]]]:
    """Headings, and rows of cells with a main and a lesser line."""
    controls = bench.control_methods[:CONTROLS]
    heads = ["Method", "Loss (nats)", "Perplexity", *(f"\u2212 {c}" for c in controls), "Bits, file", "File", "Zeros"]
    arms = list(bench.arms)
    if not sizes(bench):
        arms.sort(key=lambda arm: arm.mean.get("val_loss", math.inf))
    return heads, [[[arm.name, ""], *_cells(bench, arm, controls)] for arm in arms]


def _cells(bench: Bench, arm: Arm, controls: Sequence[str]) -> list[list[str]]:
    against = [bench.against(arm.name, control) for control in controls]
    return [
        list(mean_sd(arm.mean.get("val_loss"), arm.sd.get("val_loss"), 3)),
        list(mean_sd(arm.mean.get("perplexity"), arm.sd.get("perplexity"), 1)),
        *([signed(d.difference, 3), interval(d)] if d else ["", ""] for d in against),
        [number(arm.mean.get("file_bits_per_weight"), 2), ""],
        [size(arm.mean.get("bytes")), ""],
        [percent(arm.mean.get("zero_fraction"), 1), ""],
    ]


def _grids() -> Json:
    heads = ["Levels", "Bits", "Best scale / \u03c3", "Error", "Error at absmean", "Variance kept at absmean", "Zeros"]
    rows: list[list[str]] = []
    for grid in (BINARY, TERNARY, PENTANARY, SEPTENARY):
        best, absmean = grid.gaussian(grid.optimal_scale()), grid.gaussian(GAUSSIAN_ABSMEAN)
        zeros = percent(dict(zip(grid.levels, best.occupancy, strict=True)).get(0), 1)
        cells = [f"{grid.bits:.3f}", f"{grid.optimal_scale():.4f}", f"{best.mse:.4f}", f"{absmean.mse:.4f}"]
        rows.append([str(grid.size), *cells, f"{absmean.variance:.2f}", zeros])
    return {"heads": heads, "rows": rows}


def _samples(benches: Sequence[Bench]) -> list[list[str]]:
    """The first seed's text of the first methods of the first suite that has any."""
    for bench in benches:
        found = [[arm.name, text] for arm in bench.arms if (text := _text(arm))]
        if found:
            return found[:SAMPLES]
    return []


def _text(arm: Arm) -> str:
    return next((str(r["sample"]) for r in arm.seeds.values() if isinstance(r.get("sample"), str)), "").strip()
