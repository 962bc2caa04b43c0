import math

import pytest

from pentanet.report.formats import clock, duration, number, p_value, percent, signed, size, tidy


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (number(1234567.891, 1), "1\u2009234\u2009567.9"),
        (number(-0.0004, 3), "0.000"),
        (number(-0.0006, 3), "\u22120.001"),
        (number(None, 2), "\u2013"),
        (number(math.nan, 2), "\u2013"),
        (signed(0.0004, 3), "0.000"),
        (signed(0.02, 3), "+0.020"),
        (signed(-0.02, 3), "\u22120.020"),
        (percent(0.3101), "31.01 %"),
        (size(999), "999 B"),
        (size(1_500_000), "1.50 MB"),
        (duration(99.94), "99.9 s"),
        (duration(119.6), "2 min 00 s"),
        (duration(7325), "2 h 02 min"),
        (clock(99.94), "99.9 s"),
        (clock(754), "12:34"),
        (clock(7325), "2:02:05"),
        (clock(None), "\u2013"),
        (p_value(0.00001), "< 0.0001"),
        (p_value(0.0344), "0.034"),
        (p_value(0.5), "0.50"),
    ],
)
def test_text(text: str, expected: str) -> None:
    assert text == expected


def test_tidy_keeps_six_digits() -> None:
    assert tidy(3.14159265) == 3.14159
