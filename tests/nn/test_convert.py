"""Linears of any torch module that round their weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from pentanet.codes import Codes
from pentanet.errors import ConfigError, UnknownNameError
from pentanet.nn import QuantLinear, set_progress
from pentanet.nn.convert import quantize_
from pentanet.quant import method, quantizer


class Small(nn.Module):
    """Two linears by name, a table that one of them is tied to, and a convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(8, 16)
        self.mix = nn.Conv1d(16, 16, 1)
        self.inner = nn.ModuleDict({"up": nn.Linear(16, 32), "down": nn.Linear(32, 16, bias=False)})
        self.head = nn.Linear(16, 8, bias=False)
        self.head.weight = self.table.weight

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        x = self.table(ids)
        return self.head(self.inner["down"](self.inner["up"](x).relu()) + x)


def test_each_linear_multiplies_by_what_the_method_makes_of_its_weight() -> None:
    torch.manual_seed(0)
    net, ids = Small(), torch.arange(8)
    up, down = (net.inner[name].weight for name in ("up", "down"))
    names = set(net.state_dict())
    done = quantize_(net, "ternary")
    assert done.linears == ("inner.up", "inner.down")
    assert done.weights == 2 * 16 * 32
    assert set(net.state_dict()) == names
    used = {id(weight): quantizer("ternary").fake(weight, 1.0) for weight in (up, down)}
    x = net.table(ids)
    hidden = nn.functional.linear(x, used[id(up)], net.inner["up"].bias).relu()
    torch.testing.assert_close(net(ids), net.head(nn.functional.linear(hidden, used[id(down)]) + x))
    assert len(used[id(up)][0].unique()) <= 3


def test_gradients_reach_the_same_parameters() -> None:
    net = Small()
    before = dict(net.named_parameters())
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    quantize_(net)
    assert all(parameter is before[name] for name, parameter in net.named_parameters())
    start = net.inner["up"].weight.detach().clone()
    net(torch.arange(8)).square().sum().backward()
    optimizer.step()
    assert not torch.equal(net.inner["up"].weight, start)
    assert isinstance(net.inner["up"].export(), Codes)


def test_what_stays_is_said() -> None:
    left = quantize_(Small(), skip=["inner.down"]).left
    assert left == {
        "table": "Embedding, not nn.Linear",
        "mix": "Conv1d, not nn.Linear",
        "inner.down": "skipped",
        "head": "shares its weight with another module",
    }


def test_a_weight_that_is_read_past_its_module_stays() -> None:
    """Torch's own layer multiplies by `linear1.weight` itself in evaluation mode: nothing would round it there."""
    layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
    net = nn.Sequential(layer, nn.Linear(16, 16))
    done = quantize_(net)
    assert done.linears == ("1",)
    assert done.left["0.linear1"] == "TransformerEncoderLayer reads its weight past the module"
    assert done.left["0.self_attn"] == "MultiheadAttention, not nn.Linear"
    assert done.left["0.self_attn.out_proj"] == "NonDynamicallyQuantizableLinear, not nn.Linear"


def test_a_linear_with_hooks_stays() -> None:
    net = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    net[0].register_forward_hook(lambda *_: None)
    assert quantize_(net).left == {"0": "has hooks"}


def test_a_method_that_changes_over_the_training_follows_set_progress() -> None:
    net = nn.Sequential(nn.Linear(16, 16, bias=False))
    quantize_(net, "hestia-ternary")
    at_the_end = net(torch.ones(16))
    set_progress(net, 0.0)
    assert not torch.equal(net(torch.ones(16)), at_the_end)


def test_inputs_are_rounded_as_the_method_does_or_as_asked() -> None:
    assert method("bitnet-b158").activations == "int8"
    for name, asked, rounds in (("bitnet-b158", None, True), ("bitnet-b158", "none", False), ("ternary", "int8", True)):
        net = nn.Sequential(nn.Linear(8, 8))
        quantize_(net, name, activations=asked)
        assert (net[0].inputs is not None) is rounds


@pytest.mark.parametrize(
    ("net", "options", "said"),
    [
        (nn.Sequential(nn.Conv1d(4, 4, 1)), {}, "no linear to convert. 0: Conv1d"),
        (nn.Linear(4, 4), {}, "put it into another one"),
        (nn.Sequential(nn.Linear(4, 4)), {"method": "hgf"}, "path of low rank"),
        (nn.Sequential(nn.Linear(8, 8), nn.Linear(6, 4)), {"method": "sherry"}, r"'1': .*skip=\['1'\]"),
    ],
)
def test_what_cannot_be_done_is_refused_and_changes_nothing(net: nn.Module, options: dict, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        quantize_(net, **options)
    assert not any(isinstance(module, QuantLinear) for module in net.modules())


def test_misspelt_names_are_told() -> None:
    net = nn.Sequential(nn.Linear(4, 4))
    with pytest.raises(UnknownNameError, match="ternary"):
        quantize_(net, "ternery")
    with pytest.raises(UnknownNameError, match="unknown module 'linear'"):
        quantize_(net, skip=["linear"])


def test_a_linear_that_stands_in_two_places_rounds_in_both() -> None:
    shared = nn.Linear(4, 4)
    net = nn.ModuleDict({"first": shared, "second": shared})
    done = quantize_(net)
    assert net["first"] is net["second"]
    assert isinstance(net["first"], QuantLinear)
    assert (done.linears, done.weights) == (("first", "second"), 16)
