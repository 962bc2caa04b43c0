"""What the probabilities of a part shall depend on: tried out on its first rows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

from pentanet.archive.coder import encode
from pentanet.archive.index import RAW
from pentanet.archive.streams import Bytes, Part

_SAMPLE = 1 << 17  # integers, at least; many contexts only pay in many of them, so it grows with the tensor
_SHARE = 16


@dataclass(frozen=True, slots=True)
class Choice:
    """How a part is coded.

    Attributes:
        raw: not at all, a byte each: the last bits of numbers, of which there are few.
        context, rows, columns: arguments of `coder.encode`; what it makes says nothing of the context.
    """

    raw: bool = False
    context: bool = False
    rows: bool = False
    columns: bool = False

    @property
    def kind(self) -> str:
        """How the index names it."""
        return RAW if self.raw else "-c"[self.context]


def choose(part: Part, context: Bytes | None, classes: bool, count: int) -> Choice:
    """The shortest of a few codes for a part of a tensor, of which there are `count` integers in all."""
    rows = max(max(_SAMPLE, count // _SHARE) // part.shape[1], 1)
    sample, known = part[:rows], None if context is None else context[:rows]

    @cache
    def size(choice: Choice) -> int:
        return len(encoded(sample, known, choice))

    def shortest(*choices: Choice) -> Choice:
        return min(choices, key=size)

    raw, plain = Choice(raw=True), Choice()
    best = shortest(raw, plain) if known is None else shortest(raw, plain, Choice(context=True))
    if not classes or best == raw:
        return best
    found = shortest(best, replace(best, rows=True), replace(best, columns=True))
    return found if found == best else shortest(found, replace(best, rows=True, columns=True))


def encoded(part: Part, context: Bytes | None, choice: Choice) -> bytes:
    """A part by a choice."""
    if choice.raw:
        return part.tobytes()
    return encode(part, context=context if choice.context else None, rows=choice.rows, columns=choice.columns)
