"""Comparisons in plain language, never saying more than the interval does."""

from __future__ import annotations

from collections.abc import Sequence

from pentanet.bench.statistics import BETTER, NOT_DISTINGUISHABLE, ONE_SEED, WORSE
from pentanet.report.formats import number, p_value, signed
from pentanet.report.records import Bench, Contrast, Difference

# What the bench is run for, most telling first: the fair duel, then the published one.
HEADLINES = (("pentanary", "ternary"), ("pentanet-seed", "bitnet-seed"))
ALPHA = 0.05
ENDINGS = {BETTER: "lower", WORSE: "higher"}
UNCORRECTED = "not after Holm's correction"


def headline(bench: Bench) -> Difference | None:
    """The comparison that stands on top: five levels against three if they were compared, else the first one."""
    pairs = {(d.method, d.control): d for d in bench.losses}
    return next((pairs[pair] for pair in HEADLINES if pair in pairs), next(iter(bench.losses), None))


def sentence(d: Difference) -> str:
    """One comparison of the validation loss as a sentence without its numbers."""
    if d.verdict == NOT_DISTINGUISHABLE:
        return f"{d.method} and {d.control} are not distinguishable."
    if d.verdict in (BETTER, WORSE):
        return f"{d.method} reaches a {'lower' if d.verdict == BETTER else 'higher'} validation loss than {d.control}."
    if d.verdict == ONE_SEED:
        return f"{d.method} against {d.control}: one seed, so nothing can be said of the difference."
    return f"{d.method} and {d.control} have no seed in common and are not compared."


def evidence(d: Difference) -> str:
    """The numbers behind a sentence."""
    if d.difference is None:
        return ""
    text = f"{signed(d.difference, 3)} nats"
    if d.low is not None and d.high is not None:
        text += f", 95 % interval {signed(d.low, 3)} to {signed(d.high, 3)}"
    text += f", {d.n} seed{'s' if d.n != 1 else ''}"
    return f"{text}; {caveat(d)}" if caveat(d) else text


def caveat(d: Difference) -> str:
    """What Holm's correction takes back from a verdict, or nothing."""
    if d.verdict not in (BETTER, WORSE) or d.p_holm is None or d.p_holm < ALPHA:
        return ""
    return f"{UNCORRECTED} for all comparisons (p = {p_value(d.p_holm)})"


def contrast_numbers(c: Contrast) -> str:
    """The numbers behind a question: estimate, interval, seeds."""
    if c.estimate is None:
        return ""
    interval = "" if c.low is None or c.high is None else f" [{signed(c.low, 3)}, {signed(c.high, 3)}]"
    return f"{signed(c.estimate, 3)} nats{interval}, {c.n} seed{'s' if c.n != 1 else ''}"


def ending(d: Difference) -> str:
    """A verdict in a word or two: "lower", "higher (not after Holm's correction)", "not distinguishable"."""
    words = ENDINGS.get(d.verdict, d.verdict)
    return f"{words} ({UNCORRECTED})" if caveat(d) else words


def by_control(bench: Bench) -> list[tuple[str, str]]:
    """How every comparison of the validation loss ended, as one line for each control."""
    return [(control, _endings([d for d in bench.losses if d.control == control])) for control in bench.controls]


def _endings(differences: Sequence[Difference]) -> str:
    groups: dict[str, list[str]] = {}
    for d in differences:
        groups.setdefault(ending(d), []).append(d.method)
    return "; ".join(f"{listed(methods)} {words}" for words, methods in groups.items())


def listed(words: Sequence[str]) -> str:
    """Words with commas, and "and" before the last."""
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def interval(d: Difference, decimals: int = 3) -> str:
    """The interval in brackets; nothing without one."""
    if d.low is None or d.high is None:
        return ""
    return f"[{signed(d.low, decimals)}, {signed(d.high, decimals)}]"


def plain(text: str) -> str:
    """ASCII for terminals and for pasting: hyphen for minus and dash, space for thin space."""
    return text.replace("\u2212", "-").replace("\u2013", "-").replace("\u2009", " ")


def mean_sd(mean: float | None, sd: float | None, decimals: int) -> tuple[str, str]:
    """A mean and its spread: "3.141", "+-0.012"; the second is empty without a spread."""
    return number(mean, decimals), "" if sd is None else f"\u00b1\u2009{number(sd, decimals)}"
