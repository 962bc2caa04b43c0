import pytest
import torch

from pentanet.quant.registry import METHODS
from pentanet.report.theory import RULES, gaussian_occupancy


@pytest.mark.parametrize("name", sorted(RULES))
def test_the_rule_is_the_one_of_the_method(name: str) -> None:
    weight = torch.randn(64, 16384, generator=torch.Generator().manual_seed(0)) * 0.02
    codes = METHODS[name].make().export(weight)
    measured = {level: count / weight.numel() for level, count in codes.occupancy().items()}
    assert measured == pytest.approx(gaussian_occupancy(name), abs=2e-3)


def test_methods_without_a_fixed_rule_have_no_expectation() -> None:
    without = {name for name in METHODS if name.startswith(("lsq-", "paretoq-", "sherry")) or name.endswith("-learned")}
    assert set(METHODS) - set(RULES) == {"full-precision", "full-precision-shrunk", "tequila", *without}
    assert gaussian_occupancy("lsq-pentanary") == {}
