import pytest
import torch

from pentanet.codes import Codes
from pentanet.quant import METHODS
from pentanet.report.theory import gaussian_occupancy


@pytest.mark.parametrize("name", [name for name in METHODS if gaussian_occupancy(name)])
def test_the_rule_is_the_one_of_the_method(name: str) -> None:
    weight = torch.randn(64, 16384, generator=torch.Generator().manual_seed(0)) * 0.02
    codes = METHODS[name].make().export(weight)
    assert isinstance(codes, Codes)
    measured = {level: count / weight.numel() for level, count in codes.occupancy().items()}
    assert measured == pytest.approx(gaussian_occupancy(name), abs=2e-3)


def test_methods_without_a_fixed_rule_have_no_expectation() -> None:
    without = {name for name in METHODS if name.startswith(("lsq-", "paretoq-", "sherry")) or name.endswith("-learned")}
    assert {name for name in METHODS if not gaussian_occupancy(name)} == {
        "full-precision",
        "full-precision-shrunk",
        "tequila",
        *without,
    }


def test_a_method_of_another_installation_has_no_expectation() -> None:
    assert gaussian_occupancy("somebody-elses") == {}
