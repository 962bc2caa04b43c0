"""What the probabilities of a part shall depend on: tried out on its first rows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from pentanet.archive.coder import encode
from pentanet.archive.streams import Bytes, Part

_SAMPLE = 1 << 17  # integers, at least; many contexts only pay in many of them, so it grows with the tensor
_SHARE = 16


@dataclass(frozen=True, slots=True)
class Choice:
    """Arguments of `coder.encode`; whether rows and columns matter stands in what it makes, the context does not."""

    context: bool = False
    rows: bool = False
    columns: bool = False


def choose(part: Part, context: Bytes | None, classes: bool, count: int) -> Choice:
    """The shortest of a few codes for a part of a tensor, of which there are `count` integers in all."""
    rows = max(max(_SAMPLE, count // _SHARE) // part.shape[1], 1)
    sample, known = part[:rows], None if context is None else context[:rows]

    @cache
    def size(choice: Choice) -> int:
        return len(encoded(sample, known, choice))

    def shortest(*choices: Choice) -> Choice:
        return min(choices, key=size)

    plain, by_context = Choice(), Choice(context=True)
    best = plain if known is None else shortest(plain, by_context)
    if not classes:
        return best
    by_rows, by_columns = Choice(best.context, rows=True), Choice(best.context, columns=True)
    found = shortest(best, by_rows, by_columns)
    return found if found == best else shortest(found, Choice(best.context, rows=True, columns=True))


def encoded(part: Part, context: Bytes | None, choice: Choice) -> bytes:
    """A part by a choice."""
    return encode(part, context=context if choice.context else None, rows=choice.rows, columns=choice.columns)
