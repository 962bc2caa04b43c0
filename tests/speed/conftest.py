"""A measurement of tiny shapes, made once; its numbers say nothing, its form does."""

from __future__ import annotations

from typing import Any

import pytest

from pentanet.speed import Progress, speed, speed_settings


@pytest.fixture(scope="session")
def told() -> list[Progress]:
    return []


@pytest.fixture(scope="session")
def summary(told: list[Progress]) -> dict[str, Any]:
    pytest.importorskip("pentanet._native", reason="the engine was not compiled")
    return speed(speed_settings(quick=True, threads=[1, 2][: speed_settings().threads[-1]]), told.append)
