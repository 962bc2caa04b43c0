"""What every method of the registry owes, whatever it is: a new one is tested by being registered."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from pentanet.codes import Codes
from pentanet.errors import UnknownNameError
from pentanet.quant import METHODS, Quantizer, method, quantizer

GRIDDED = [name for name, m in METHODS.items() if m.grid is not None]

# Scale of level 1 on a unit Gaussian, and squared error: BitNet b1.58's absmean sqrt(2/pi), QuEST's optimum extended,
# TBT's 4/3 of absmean.
GAUSSIAN = {
    "bitnet-seed": (0.7979, 0.2634),
    "pentanet-seed": (0.7979, 0.0832),
    "ternary": (1.2240, 0.1902),
    "pentanary": (0.8430, 0.0822),
    "binary": (0.7979, 0.3634),
    "septenary": (0.6510, 0.0469),
    "ternary-row-absmean": (0.7979, 0.2634),
    "ternary-tensor-optimum": (1.2240, 0.1902),
    "pentanary-row-absmean": (0.7979, 0.0832),
    "pentanary-tensor-optimum": (0.8430, 0.0822),
    "trilm": (0.7979, 0.2634),
    "tbt-ternary": (1.0638, 0.1995),
    "tbt-binary": (0.7979, 0.3634),
    "lsq-ternary": (1.2240, 0.1902),
    "lsq-quaternary": (0.4978, 0.1189),
    "lsq-pentanary": (0.8430, 0.0822),
    "lsq-septenary": (0.6510, 0.0469),
    "paretoq-seq": (0.4978, 0.1189),
    "paretoq-ternary": (1.2240, 0.1902),
    "pentanary-mix": (0.8430, 0.0822),
    "bitnet-b158": (0.7979, 0.2634),
    "hgf": (0.7979, 0.2634),
    "hgf-ungated": (0.7979, 0.2634),
    "hestia-ternary": (1.2240, 0.1902),
    "hestia-pentanary": (0.8430, 0.0822),
    "quest-ternary": (1.2240, 0.1902),
    "quest-pentanary": (0.8430, 0.0822),
    "quaternary": (0.4978, 0.1189),
    "int4": (0.3386, 0.0116),
}
# Levels that are worth more than their thresholds say or not evenly spaced; rotations, which leave no Gaussian of the
# sorted quantiles below.
OTHER_LAW = {"bitnet-seed-rescaled", "quest-hadamard-ternary", "quest-hadamard-pentanary", "pentanary-learned"}


def fresh(name: str, weight: Tensor) -> Quantizer:
    made = quantizer(name)
    made.initialize(weight)
    return made


def stored(made: Quantizer, weight: Tensor) -> NDArray[np.float32]:
    exported = made.export(weight)
    return exported.dequantize() if isinstance(exported, Codes) else exported


def assert_same_bits(made: Quantizer, weight: Tensor) -> None:
    """At the end of the training, and in validation at any time."""
    exported, expected = made.export(weight), stored(made, weight).view(np.int32)
    for training, progress in ((True, 1.0), (False, 0.4)):
        used = made.train(training).fake(weight, progress)
        assert used.dtype == torch.float32
        assert used.isfinite().all()
        np.testing.assert_array_equal(used.detach().numpy().view(np.int32), expected)
        bias = made.bias(weight, used)
        if bias is None:
            assert not isinstance(exported, Codes) or exported.bias is None
        else:
            assert isinstance(exported, Codes)
            assert exported.bias is not None
            np.testing.assert_array_equal(bias.detach().numpy().view(np.int32), exported.bias.view(np.int32))


def columns(name: str, count: int) -> int:
    """About that many inputs: a multiple of the group, for a method with groups."""
    shared = METHODS[name].granularity
    return count * (shared.inputs or METHODS[name].multiple) if shared else count


def normal(rows: int, cols: int, seed: int = 0) -> Tensor:
    return torch.randn(rows, cols, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (5, 3), (33, 65), (128, 96)])
@pytest.mark.parametrize("size", [1e-30, 1e-8, 0.02, 1.0, 1e15])
def test_what_training_uses_is_what_is_stored(name: str, shape: tuple[int, int], size: float) -> None:
    weight = normal(shape[0], columns(name, shape[1])) * size
    assert_same_bits(fresh(name, weight), weight)


@pytest.mark.parametrize("name", METHODS)
def test_ties_are_stored_as_they_are_used(name: str) -> None:
    cols = columns(name, 24)
    # Every multiple of a quarter scale, for scales that are powers of two: halves are ties.
    steps = torch.arange(-12, 12).repeat(-(-cols // 24))[:cols] / 4
    weight = torch.stack([steps, steps.flip(0), steps * 2, -steps])
    made = fresh(name, weight)
    with torch.no_grad():
        for step in made.parameters():
            step.zero_()
    assert_same_bits(made, weight)


@pytest.mark.parametrize("name", METHODS)
def test_rows_of_zeros(name: str) -> None:
    weight = normal(6, columns(name, 10))
    weight[2] = 0
    weight[3] = -0.0
    made = fresh(name, weight)
    assert_same_bits(made, weight)
    nothing = torch.zeros_like(weight)
    made = fresh(name, nothing)
    assert_same_bits(made, nothing)
    exported = made.export(nothing)
    if isinstance(exported, Codes):
        assert (exported.scales > 0).all()


def test_a_learned_step_stays_finite() -> None:
    weight = torch.full((2, 4), 1e15)
    made = fresh("lsq-ternary", weight)
    with torch.no_grad():
        next(iter(made.parameters())).fill_(105.0)  # its exponential is more than float32 holds
    assert_same_bits(made, weight * torch.tensor([[1.0], [0.0]]))
    exported = made.export(weight)
    assert isinstance(exported, Codes)
    assert np.isfinite(exported.scales).all()


@pytest.mark.parametrize("name", METHODS)
@given(
    seed=st.integers(0, 1000),
    rows=st.integers(1, 9),
    cols=st.integers(1, 9),
    sizes=st.lists(st.sampled_from([1e-42, 1e-20, 1e-8, 1.0, 1e4, 1e15]), min_size=9, max_size=9),
    factor=st.sampled_from([-1.0, 0.0, 1e-12, 0.3, 1.0, 2.5]),
)
def test_any_weight_and_any_state(
    name: str, seed: int, rows: int, cols: int, sizes: list[float], factor: float
) -> None:
    weight = normal(rows, columns(name, cols), seed) * torch.tensor(sizes[:rows])[:, None]
    made = fresh(name, weight)
    with torch.no_grad():
        for state in made.parameters():  # as far from the start as training could bring it
            state.mul_(factor)
    assert_same_bits(made, weight)


@pytest.mark.parametrize("name", METHODS)
def test_exported_codes_keep_the_promises_of_the_registry(name: str) -> None:
    rows, cols = 12, columns(name, 8)
    weight = normal(rows, cols)
    exported, known = fresh(name, weight).export(weight), METHODS[name]
    if known.grid is None:
        assert isinstance(exported, np.ndarray)
        return
    assert isinstance(exported, Codes)
    assert known.granularity is not None
    assert exported.grid == known.grid
    assert set(np.unique(exported.levels)) <= set(known.grid.levels)
    assert exported.scales.shape == known.granularity.scale_shape(rows, cols)


@pytest.mark.parametrize("name", METHODS)
def test_gradient_reaches_the_latent_weight_and_the_state(name: str) -> None:
    weight = normal(4, columns(name, 16)).requires_grad_()
    made = fresh(name, weight)
    used = made.fake(weight, 0.5)
    out = torch.nn.functional.linear(normal(3, weight.shape[1], seed=1), used, made.bias(weight, used))
    (out * normal(3, 4, seed=2)).sum().backward()
    for leaf in (weight, *made.parameters()):
        assert leaf.grad is not None
        assert leaf.grad.isfinite().all()
        assert leaf.grad.count_nonzero() > 0


@pytest.mark.parametrize("name", METHODS)
def test_exporting_changes_nothing(name: str) -> None:
    weight = normal(4, columns(name, 16))
    before = weight.clone()
    made = fresh(name, weight)
    made.export(weight)
    made.fake(weight, 1.0)
    assert torch.equal(weight, before)


@pytest.mark.parametrize("name", GRIDDED)
def test_gaussian_weights_behave_as_the_closed_form_says(name: str) -> None:
    shared = METHODS[name].granularity
    if shared is None or shared.inputs or name in OTHER_LAW:
        pytest.skip("a group is too short for a law of large numbers, and some methods have another")
    n = 1 << 16
    weight = torch.special.ndtri((torch.arange(n, dtype=torch.float64) + 0.5) / n).float()[None]
    exported = fresh(name, weight).export(weight)
    assert isinstance(exported, Codes)
    scale = float(exported.scales[0, 0])
    fit = exported.grid.gaussian(scale)
    shares = [count / n for count in exported.occupancy().values()]
    assert shares == pytest.approx(fit.occupancy, abs=1e-3)
    mse = float(np.square(exported.dequantize() - weight.numpy()).mean())
    assert mse == pytest.approx(fit.mse, abs=1e-3)
    assert (scale, mse) == pytest.approx(GAUSSIAN[name], abs=1e-3)


@pytest.mark.parametrize("name", METHODS)
def test_names_are_their_keys(name: str) -> None:
    assert METHODS[name].name == name == method(name).name


def test_an_unknown_method_names_its_neighbour() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown method 'pentanry'\. Did you mean 'pentanary'\?"):
        quantizer("pentanry")
