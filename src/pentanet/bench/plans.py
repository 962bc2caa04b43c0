"""The arms of the larger suites, as data: which depths, widths and methods, and which of them are compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Arm:
    """One thing that is trained with every seed.

    Attributes:
        name: a folder's name, unique in its suite.
        method: registry name.
        settings: changes to the recipe of the suite, as `key=value`.
        teacher: name of another arm of the suite whose run with the same seed is trained first, and which this one
            learns from (`distill.teacher`); empty for none.
    """

    name: str
    method: str
    settings: tuple[str, ...] = ()
    teacher: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Contrast:
    """A weighted sum of the losses of several arms, taken within each seed; below zero is what `title` claims.

    Attributes:
        weights: by name of the arm; they sum to zero.
    """

    name: str
    title: str
    weights: Mapping[str, float]


def of_methods(names: Sequence[str]) -> tuple[Arm, ...]:
    """Arms that are nothing but methods."""
    return tuple(Arm(name=name, method=name) for name in names)


LATE = ("weights.start=0.5",)


def late(method: str) -> Arm:
    """A method whose rounding begins after half of the steps."""
    return Arm(name=f"{method}-late", method=method, settings=LATE)


SHORT_RESULT = "result_tokens=32768"

# Smaller initial weights and updates than the preset's, for 200 steps: the rate is between those that were best for 100
# and for 400 steps, 0.006 and 0.012 (docs/lab, 2026-11-25 and 2026-11-26).
TUNED = ("model.init_gain=0.125", "optimizer.muon_lr=0.01", "steps=200", "eval_every=100")

# Depth: about 450,000 weights under the method, four heads (two at width 28, so that rotary pairs fit).
DEPTHS: Mapping[int, int] = {4: 96, 12: 56, 24: 40, 48: 28}
DECISIVE = 24
OURS = of_methods(("full-precision", "ternary", "pentanary"))
PUBLISHED = of_methods(("full-precision", "bitnet-seed", "pentanet-seed", "ternary"))
DEPTH_OURS = (*TUNED, "batch.size=4", "precision=float32", SHORT_RESULT)
DEPTH_SEED = (
    "steps=200",
    "batch.size=4",
    "precision=float32",
    "schedule.warmup=10",
    'data.eos="document"',
    SHORT_RESULT,
    "eval_every=100",
)


def llama_shape(layers: int) -> tuple[str, ...]:
    """Sizes of the network of our recipe at a depth."""
    width = DEPTHS[layers]
    heads, hidden = (2 if width == 28 else 4), {96: 256, 56: 152, 40: 104, 28: 76}[width]
    pairs = {"layers": layers, "width": width, "heads": heads, "kv_heads": heads, "hidden": hidden}
    return tuple(f"model.{key}={value}" for key, value in pairs.items())


def gpt_shape(layers: int) -> tuple[str, ...]:
    """Sizes of the published network at a depth."""
    return (f"model.layers={layers}", f"model.width={DEPTHS[layers]}", "model.heads=4")


def _at(method: str, layers: int) -> str:
    return f"{method}-{layers}"


def depth(arms: Sequence[Arm], shape: Callable[[int], tuple[str, ...]]) -> tuple[Arm, ...]:
    """Every arm at every depth."""
    return tuple(
        Arm(name=_at(arm.name, layers), method=arm.method, settings=(*shape(layers), *arm.settings))
        for layers in DEPTHS
        for arm in arms
    )


def depth_pairs(arms: Sequence[Arm]) -> tuple[tuple[str, str], ...]:
    """All arms against each other at every depth, each pair once; the later one of `arms` comes first."""
    return tuple(
        (_at(arm.name, layers), _at(control.name, layers))
        for layers in DEPTHS
        for place, control in enumerate(arms)
        for arm in arms[place + 1 :]
    )


def depth_contrasts(five: str, three: str) -> tuple[Contrast, ...]:
    """Whether five levels lose to three what they had, from the shallowest network to each deeper one."""
    first = min(DEPTHS)
    return tuple(
        Contrast(
            name=f"{five}-gains-from-{first}-to-{layers}",
            title=f"({five} - {three}) at {layers} layers less the same at {first}: below zero, depth favours {five}",
            weights={_at(five, layers): 1, _at(three, layers): -1, _at(five, first): -1, _at(three, first): 1},
        )
        for layers in DEPTHS
        if layers != first
    )


def _reversal(name: str, method: str, *more: str) -> Arm:
    return Arm(name=f"{name}-{DECISIVE}", method=method, settings=(*gpt_shape(DECISIVE), *more))


# What decides why the published recipe loses its lead at depth: the size of the weights in use, and the residual.
SCALED = "model.scaled_residual=true"
REVERSAL = (
    _reversal("pentanary", "pentanary"),
    _reversal("bitnet-seed-rescaled", "bitnet-seed-rescaled"),
    _reversal("full-precision-shrunk", "full-precision-shrunk"),
    _reversal("full-precision-scaled", "full-precision", SCALED),
    _reversal("bitnet-seed-scaled", "bitnet-seed", SCALED),
    _reversal("pentanet-seed-scaled", "pentanet-seed", SCALED),
)
REVERSAL_PAIRS = tuple(
    (_at(arm, DECISIVE), _at(control, DECISIVE))
    for arm, control in (
        ("pentanary", "ternary"),
        ("bitnet-seed-rescaled", "bitnet-seed"),
        ("bitnet-seed-rescaled", "pentanet-seed"),
        ("full-precision-shrunk", "full-precision"),
        ("full-precision-shrunk", "bitnet-seed"),
        ("full-precision-scaled", "full-precision"),
        ("pentanet-seed-scaled", "bitnet-seed-scaled"),
        ("pentanet-seed-scaled", "full-precision-scaled"),
        ("bitnet-seed-scaled", "full-precision-scaled"),
    )
)

# Frontier: widths (a multiple of 8) whose file is nearest to that of pentanary, within 5 % and 10 % for the smallest of
# full precision.  Quaternary and septenary, which no layout of ours stores densely, are matched at 1.90 and 2.60 bits,
# the entropy of their levels; the others at the bits of their layouts.
FRONTIER = (
    *TUNED,
    "batch.size=4",
    "precision=float32",
    SHORT_RESULT,
    "model.heads=4",
    "model.kv_heads=4",
)
FRONTIER_WIDTHS: Mapping[str, tuple[int, int, int]] = {
    "full-precision": (32, 48, 64),
    "binary": (72, 120, 160),
    "sherry-mix": (72, 112, 152),
    "ternary": (72, 104, 144),
    "quaternary": (64, 104, 136),
    "pentanary": (64, 96, 128),
    "septenary": (64, 96, 128),
    "int4": (56, 80, 112),
}
FRONTIER_LATE = ("ternary", "pentanary")


def frontier_shape(width: int) -> tuple[str, ...]:
    """Sizes of a network of the frontier; the MLP is 8/3 as wide, to a multiple of 32."""
    return (f"model.width={width}", f"model.hidden={round(width / 12) * 32}")


def frontier() -> tuple[Arm, ...]:
    """Each method at its three widths."""
    return tuple(
        Arm(name=f"{arm.name}-{size}", method=arm.method, settings=(*frontier_shape(width), *arm.settings))
        for arm in (*of_methods(tuple(FRONTIER_WIDTHS)), *map(late, FRONTIER_LATE))
        for size, width in zip("sml", FRONTIER_WIDTHS[arm.method], strict=True)
    )


def frontier_pairs() -> tuple[tuple[str, str], ...]:
    """Every method against `pentanary` with a file of about the same size; rounding late against rounding late."""
    others = [method for method in FRONTIER_WIDTHS if method != "pentanary"]
    pairs = [*((method, "pentanary") for method in others), ("ternary-late", "pentanary-late")]
    return tuple((f"{arm}-{size}", f"{control}-{size}") for size in "sml" for arm, control in pairs)


# Duel: about a million parameters, long enough for three levels to cost something; the rate of Muon is the best of
# three for full precision, ternary and five levels alike (docs/lab, 2026-11-26).
DUEL = (
    "model.init_gain=0.125",
    "optimizer.muon_lr=0.012",
    "steps=400",
    SHORT_RESULT,
    "eval_every=100",
    "model.width=128",
    "model.heads=4",
    "model.kv_heads=4",
    "model.hidden=352",
)
DUELLISTS = (
    *of_methods(("full-precision", "ternary", "pentanary")),
    late("ternary"),
    late("pentanary"),
    *of_methods(("hestia-pentanary", "pentanary-mix", "pentanary-learned", "bitnet-seed")),
)
DUEL_CONTRASTS = tuple(
    Contrast(
        name=f"{method}-closes-half",
        title=f"{method} less the mean of ternary and full precision: below zero, it closes more than half of the gap",
        weights={method: 1, "ternary": -0.5, "full-precision": -0.5},
    )
    for method in ("pentanary", "pentanary-mix", "pentanary-late", "ternary-late")
)

# HGF: its low-rank paths add 3,584 float weights to each block.  Plain ternary networks that are wider instead: by
# 12.5 %, as the paper counts the cost of the paths; in the MLP by as many weights; or by as many stored bits.
HGF = (
    *TUNED,
    SHORT_RESULT,
    "model.width=128",
    "model.heads=4",
    "model.kv_heads=4",
    "model.hidden=384",
)
_HGF_BASE = "bitnet-b158"
HGF_ARMS = (
    *of_methods(("full-precision", _HGF_BASE, "hgf", "hgf-ungated")),
    Arm(name="bitnet-b158-wider", method=_HGF_BASE, settings=("model.width=144", "model.hidden=432")),
    Arm(name="bitnet-b158-same-parameters", method=_HGF_BASE, settings=("model.hidden=393",)),
    Arm(name="bitnet-b158-same-bits", method=_HGF_BASE, settings=("model.hidden=480",)),
)
HGF_PAIRS = (
    ("hgf", "hgf-ungated"),
    *((path, f"bitnet-b158-{size}") for path in ("hgf", "hgf-ungated") for size in ("same-parameters", "same-bits")),
    ("hgf", "bitnet-b158-wider"),
)

# Distillation from full precision with the same seed, at equal tokens of the student; the teacher's come on top.
DISTILLED = ("ternary", "pentanary")
DISTILL_ARMS = (
    *of_methods(("full-precision", *DISTILLED)),
    *(
        Arm(name=f"{method}-distilled", method=method, teacher="full-precision")
        for method in ("full-precision", *DISTILLED)
    ),
)
DISTILL_PAIRS = (
    *((f"{method}-distilled", method) for method in DISTILLED),
    *((f"{method}-distilled", "full-precision-distilled") for method in DISTILLED),
    ("pentanary-distilled", "ternary-distilled"),
    ("pentanary", "ternary"),
)
