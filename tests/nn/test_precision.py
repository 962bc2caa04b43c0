"""What "auto" means, in one place."""

from __future__ import annotations

import pytest
import torch

from pentanet.errors import ConfigError
from pentanet.nn.precision import CPU, autocast, resolve_precision


@pytest.mark.parametrize(("fast", "expected"), [(True, "bfloat16"), (False, "float32")])
def test_auto_asks_the_processor(monkeypatch: pytest.MonkeyPatch, fast: bool, expected: str) -> None:
    monkeypatch.setattr("pentanet.nn.precision.multiplies_bfloat16", lambda: fast)
    assert resolve_precision() == resolve_precision("auto", CPU) == expected
    assert resolve_precision("bfloat16") == "bfloat16"
    assert resolve_precision("float32") == "float32"


def test_no_other_precision() -> None:
    with pytest.raises(ConfigError, match="precision 'float16': must be auto, bfloat16 or float32"):
        resolve_precision("float16")


def test_precision_of_products() -> None:
    x, w = torch.full((1, 1), 1.0 + 2**-10), torch.eye(1)
    with autocast(CPU, "bfloat16"):
        assert (x @ w).dtype == torch.bfloat16
    with autocast(CPU, "float32"):
        assert (x @ w).item() == 1.0 + 2**-10
