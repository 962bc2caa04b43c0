"""Numbers as people read them."""

from __future__ import annotations

import pytest

from pentanet.cli.units import count, duration, size


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (count(0), "0"),
        (count(999), "999"),
        (count(1000), "1 k"),
        (count(204_800), "205 k"),
        (count(4_560_000), "4.56 M"),
        (count(299_999_690_752), "300 G"),
        (size(950), "950 B"),
        (size(63_900_000), "63.9 MB"),
        (size(999_700), "1 MB"),
        (size(1_699_525_588_992), "1.7 TB"),
        (duration(0.4213), "0.421 s"),
        (duration(48), "48 s"),
        (duration(720), "12 min"),
        (duration(12_600), "3.5 h"),
        (duration(12 * 86400), "12 days"),
        (duration(4.2 * 365.25 * 86400), "4.2 years"),
    ],
)
def test_units(shown: str, expected: str) -> None:
    assert shown == expected
