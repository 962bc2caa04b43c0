"""A ruined model is never handed out in silence."""

from __future__ import annotations

import math

import pytest

from pentanet.ptq.verdict import warnings


@pytest.mark.parametrize("after", [55.0, 5e5, math.inf, math.nan])
def test_a_much_larger_perplexity_is_unusable(after):
    (found,) = warnings(20.0, after, 0.1)
    assert found.startswith("THE MODEL IS UNUSABLE: its perplexity rose from 20 ")


def test_a_little_is_fine_and_weights_are_not_asked_then():
    assert warnings(20.0, 30.0, 0.5) == []


def test_without_a_text_the_weights_must_do():
    assert warnings(None, None, 0.17) == []
    (found,) = warnings(None, None, 0.29)
    assert "29 %" in found
    assert "--text" in found
