"""What a benchmark compares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from pentanet.errors import UnknownNameError


@dataclass(frozen=True, kw_only=True, slots=True)
class Suite:
    """Methods that are trained alike.

    Attributes:
        name: as in `pentanet bench NAME`.
        title: one line for reports.
        preset: the recipe; only the method and the seed differ between runs.
        methods: registry names, controls first.
        controls: methods that the others are compared with.
        seeds: how many seeds by default.
    """

    name: str
    title: str
    preset: str
    methods: tuple[str, ...]
    controls: tuple[str, ...]
    seeds: int = 3


FIVE_ARMS = ("full-precision", "bitnet-seed", "pentanet-seed", "ternary", "pentanary")
CONTROLS = ("full-precision", "ternary", "bitnet-seed")
# All of the registry, but for tbt-binary, which is binary under another name.
EVERY_METHOD = (
    *CONTROLS,
    "pentanet-seed",
    "pentanary",
    "binary",
    "septenary",
    "ternary-row-absmean",
    "ternary-tensor-optimum",
    "pentanary-row-absmean",
    "pentanary-tensor-optimum",
    "pentanary-mix",
    "bitnet-b158",
    "trilm",
    "tbt-ternary",
    "tequila",
    "sherry",
    "sherry-mix",
    "sherry-plain",
    "lsq-ternary",
    "lsq-quaternary",
    "lsq-pentanary",
    "lsq-septenary",
    "paretoq-seq",
    "paretoq-ternary",
    "quest-ternary",
    "quest-pentanary",
    "hestia-ternary",
    "hestia-pentanary",
    "hgf",
    "hgf-ungated",
)

SUITES: Mapping[str, Suite] = MappingProxyType(
    {
        suite.name: suite
        for suite in (
            Suite(
                name="nano",
                title="Five weight methods under our recipe",
                preset="nano",
                methods=FIVE_ARMS,
                controls=CONTROLS,
            ),
            Suite(
                name="nano-seed",
                title="The same methods under the published recipe",
                preset="nano-seed",
                methods=FIVE_ARMS,
                controls=CONTROLS,
            ),
            Suite(
                name="methods",
                title="Every weight method under our recipe",
                preset="nano",
                methods=EVERY_METHOD,
                controls=CONTROLS,
            ),
        )
    }
)


def suite(name: str) -> Suite:
    """Look a suite up by name.

    Raises:
        UnknownNameError: no such suite; names the nearest one.
    """
    if name not in SUITES:
        raise UnknownNameError("suite", name, SUITES)
    return SUITES[name]
