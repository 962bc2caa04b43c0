"""What a benchmark compares: arms, which are methods under settings, and the pairs of them that are looked at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from pentanet.bench import plans
from pentanet.bench.plans import Arm, Contrast
from pentanet.errors import UnknownNameError
from pentanet.quant import METHODS


@dataclass(frozen=True, kw_only=True, slots=True)
class Suite:
    """Arms that are trained alike but for their methods and their own settings.

    Attributes:
        name: as in `pentanet bench NAME`.
        title: one line for reports.
        preset: the recipe of all arms.
        settings: changes to it, as `key=value`, that a user may change again.
        arms: what is trained, controls first.
        controls: arms that all others are compared with.
        pairs: arm and control of further comparisons, for suites where not all arms can be compared.
        contrasts: weighted sums of losses, for questions that one pair does not answer.
        seeds: how many seeds by default.
    """

    name: str
    title: str
    preset: str
    arms: tuple[Arm, ...]
    settings: tuple[str, ...] = ()
    controls: tuple[str, ...] = ()
    pairs: tuple[tuple[str, str], ...] = ()
    contrasts: tuple[Contrast, ...] = ()
    seeds: int = 3

    @property
    def methods(self) -> tuple[str, ...]:
        """Names of the arms; those of methods where an arm has no settings of its own."""
        return tuple(arm.name for arm in self.arms)

    def arm(self, name: str) -> Arm:
        """The arm of that name; in a suite whose arms are plain methods, any method of the registry.

        Raises:
            UnknownNameError: no such arm; names the nearest one.
        """
        known = {arm.name: arm for arm in self.arms}
        if all(not arm.settings and arm.name == arm.method for arm in self.arms):
            known = {method: Arm(name=method, method=method) for method in METHODS} | known
            if name not in known:
                raise UnknownNameError("method", name, known)
        if name not in known:
            raise UnknownNameError("arm", name, known)
        return known[name]


FIVE_ARMS = ("full-precision", "bitnet-seed", "pentanet-seed", "ternary", "pentanary")
CONTROLS = ("full-precision", "ternary", "bitnet-seed")
EVERY_METHOD = (*CONTROLS, *(name for name in METHODS if name not in CONTROLS))

_ALL = (
    Suite(
        name="nano",
        title="Five weight methods under our recipe",
        preset="nano",
        arms=plans.of_methods(FIVE_ARMS),
        controls=CONTROLS,
    ),
    Suite(
        name="nano-seed",
        title="The same methods under the published recipe",
        preset="nano-seed",
        arms=plans.of_methods(FIVE_ARMS),
        controls=CONTROLS,
    ),
    Suite(
        name="methods",
        title="Every weight method under our recipe",
        preset="nano",
        settings=(*plans.TUNED, "batch.size=4", plans.SHORT_RESULT),
        arms=plans.of_methods(EVERY_METHOD),
        controls=CONTROLS,
    ),
    Suite(
        name="depth",
        title="The same number of weights at four depths, our recipe",
        preset="nano",
        settings=plans.DEPTH_OURS,
        arms=plans.depth(plans.OURS, plans.llama_shape),
        pairs=plans.depth_pairs(plans.OURS),
        contrasts=plans.depth_contrasts("pentanary", "ternary"),
    ),
    Suite(
        name="depth-seed",
        title="The same number of weights at four depths, the published recipe, with the controls of its reversal",
        preset="nano-seed",
        settings=plans.DEPTH_SEED,
        arms=(*plans.depth(plans.PUBLISHED, plans.gpt_shape), *plans.REVERSAL),
        pairs=(*plans.depth_pairs(plans.PUBLISHED), *plans.REVERSAL_PAIRS),
        contrasts=plans.depth_contrasts("pentanet-seed", "bitnet-seed"),
    ),
    Suite(
        name="frontier",
        title="Loss against file size: widths chosen so that the files match",
        preset="nano",
        settings=plans.FRONTIER,
        arms=plans.frontier(),
        pairs=plans.frontier_pairs(),
    ),
    Suite(
        name="duel",
        title="How much of the gap that three levels leave do five close?",
        preset="nano",
        settings=plans.DUEL,
        arms=plans.DUELLISTS,
        controls=("full-precision", "ternary"),
        pairs=(("pentanary-late", "ternary-late"), ("pentanary-late", "pentanary"), ("ternary-late", "ternary")),
        contrasts=plans.DUEL_CONTRASTS,
    ),
    Suite(
        name="hgf",
        title="A float path of low rank beside ternary weights, or a wider network?",
        preset="nano",
        settings=plans.HGF,
        arms=plans.HGF_ARMS,
        controls=("bitnet-b158",),
        pairs=plans.HGF_PAIRS,
    ),
    Suite(
        name="distill",
        title="Three and five levels with the text alone, and with a full-precision teacher beside it",
        preset="nano",
        settings=plans.DUEL,
        arms=plans.DISTILL_ARMS,
        controls=("full-precision",),
        pairs=plans.DISTILL_PAIRS,
    ),
)

SUITES: Mapping[str, Suite] = MappingProxyType({suite.name: suite for suite in _ALL})


def suite(name: str) -> Suite:
    """Look a suite up by name.

    Raises:
        UnknownNameError: no such suite; names the nearest one.
    """
    if name not in SUITES:
        raise UnknownNameError("suite", name, SUITES)
    return SUITES[name]
