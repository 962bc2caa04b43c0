"""Numbers as they are read from records, and as the page prints them."""

from __future__ import annotations

import math

MINUS = "\u2212"
NONE = "\u2013"


def number(value: float | None, decimals: int) -> str:
    """Fixed decimals, thousands apart by thin spaces, a dash for nothing."""
    if value is None or not math.isfinite(value):
        return NONE
    text = f"{abs(value):,.{decimals}f}".replace(",", "\u2009")
    negative = value < 0 and any(c not in "0.\u2009" for c in text)
    return f"{MINUS}{text}" if negative else text


def signed(value: float | None, decimals: int) -> str:
    """Like `number`, with a plus sign before what is above zero."""
    text = number(value, decimals)
    return f"+{text}" if value is not None and value > 0 and any(c in text for c in "123456789") else text


def percent(value: float | None, decimals: int = 2) -> str:
    """A share as a percentage."""
    return NONE if value is None else f"{number(100 * value, decimals)} %"


def size(value: float | None) -> str:
    """Bytes in decimal units, as file managers and the 16 MB challenge count them."""
    if value is None:
        return NONE
    for unit, step in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if value >= step:
            return f"{number(value / step, 2)} {unit}"
    return f"{number(value, 0)} B"


def duration(value: float | None) -> str:
    """Seconds as hours, minutes and seconds."""
    if value is None:
        return NONE
    if value < 100:
        return f"{number(value, 1)} s"
    minutes, seconds = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {seconds:02d} s"


def clock(value: float | None) -> str:
    """Seconds where columns are narrow: 61.5 s, 12:34 or 1:02:03."""
    if value is None or value < 100:
        return duration(value)
    minutes, seconds = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"


def p_value(value: float | None) -> str:
    """A p value with two significant digits."""
    if value is None:
        return NONE
    return "< 0.0001" if value < 1e-4 else f"{value:.2g}" if value < 0.1 else f"{value:.2f}"


def tidy(value: float) -> float:
    """Six significant digits: what a picture can show, in few bytes."""
    return float(f"{value:.6g}")


def finite(value: object) -> float | None:
    """The value as a float, or None if it is no finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None
