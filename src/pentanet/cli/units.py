"""Numbers as people read them."""

from __future__ import annotations


def count(number: float) -> str:
    """A number of things: 950, 12.3 k, 4.56 M, 300 G."""
    return _scaled(number, ("", "k", "M", "G", "T"))


def size(number: float) -> str:
    """Bytes in powers of 1000, as disks and llama.cpp count them: 950 B, 12.3 kB, 63.9 MB, 1.70 TB."""
    return _scaled(number, ("B", "kB", "MB", "GB", "TB"))


def duration(seconds: float) -> str:
    """A time: 0.42 s, 48 s, 12 min, 3.5 h, 12 days, 4.2 years."""
    for factor, unit, below in ((1, "s", 100), (60, "min", 100), (3600, "h", 48), (86400, "days", 730)):
        if seconds < below * factor:
            return f"{seconds / factor:.3g} {unit}"
    return f"{seconds / (365.25 * 86400):.3g} years"


def _scaled(number: float, units: tuple[str, ...]) -> str:
    place = 0
    while abs(number) >= 999.5 and place < len(units) - 1:
        number, place = number / 1000, place + 1
    shown = f"{number:.0f}" if place == 0 or number >= 99.95 else f"{number:.3g}"
    return f"{shown} {units[place]}".rstrip()
