"""Modules whose weights pass through a quantizer."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from pentanet.codes import Codes
from pentanet.families import GPTConfig, LlamaConfig
from pentanet.families.build import build
from pentanet.nn import (
    QuantEmbedding,
    QuantLinear,
    Trainable,
    count_parameters,
    method_modules,
    quantized_modules,
    set_progress,
    together,
)
from pentanet.quant import Quantizer, quantizer


class Doubling(Quantizer):
    """Multiplies by two, and by the progress."""

    def fake(self, weight: torch.Tensor, progress: float) -> torch.Tensor:
        return weight * 2 * progress

    def export(self, weight: torch.Tensor) -> Codes:
        raise NotImplementedError


def test_forward_multiplies_by_the_used_weight() -> None:
    linear = QuantLinear(3, 5, Doubling())
    linear.draw(1.0, torch.Generator().manual_seed(0))
    x = torch.randn(2, 4, 5)
    linear.progress = 0.25
    torch.testing.assert_close(linear(x), F.linear(x, linear.weight / 2))
    embedding = QuantEmbedding(7, 3, Doubling())
    embedding.draw(1.0, torch.Generator().manual_seed(0))
    embedding.progress = 1.0
    torch.testing.assert_close(embedding(torch.tensor([[6, 0]])), embedding.weight[[6, 0]][None] * 2)


class Counting(nn.Module):
    """Halves its input, and counts how often."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return x / 2


def test_what_several_linears_round_alike_is_rounded_once() -> None:
    shared, x = Counting(), torch.randn(2, 5, generator=torch.Generator().manual_seed(0)).requires_grad_()
    first, second, own = (QuantLinear(3, 5, Doubling(), inputs) for inputs in (shared, shared, Counting()))
    for linear in (first, second, own):
        linear.draw(1.0, torch.Generator().manual_seed(1))
        linear.progress = 1.0
    with torch.no_grad():
        second.weight.mul_(3.0)
    apart = first(x), second(x)
    (expected,) = torch.autograd.grad(apart[0].sum() + apart[1].square().sum(), x)
    shared.calls = 0
    found = together(x, first, second)
    assert shared.calls == 1
    assert torch.equal(found[0], apart[0]) and torch.equal(found[1], apart[1])
    torch.testing.assert_close(*torch.autograd.grad(found[0].sum() + found[1].square().sum(), x), expected)
    shared.calls = 0
    for linears in ((first, own), (first, QuantLinear(3, 5, Doubling())), (first, nn.Linear(5, 3))):
        for found_y, linear in zip(together(x, *linears), linears, strict=True):
            assert torch.equal(found_y, linear(x))
    assert shared.calls == 6


@pytest.mark.parametrize(
    ("activations", "modules", "calls"), [("int8", 2, 8 + 1), ("elastic8", 14, 14), ("hadamard", 1, 8)]
)
def test_a_block_rounds_four_inputs_unless_each_linear_has_its_own_step(
    activations: str, modules: int, calls: int
) -> None:
    # Queries, keys and values read the same, and so do gate and up; int8 has the head beside two blocks.
    model = build(LlamaConfig(layers=2), 11, Trainable("ternary", activations=activations))  # type: ignore[arg-type]
    model.initialize(torch.Generator().manual_seed(0))
    seen: list[nn.Module] = []
    found = {id(m.inputs): m.inputs for _, m in quantized_modules(model) if isinstance(m, QuantLinear) and m.inputs}
    for inputs in found.values():
        inputs.register_forward_hook(lambda module, *_: seen.append(module))
    model(torch.tensor([[1, 2, 3]]))
    assert (len(found), len(seen)) == (modules, calls)


def test_drawing_is_normal_and_repeatable() -> None:
    linear = QuantLinear(300, 400, Doubling())
    linear.draw(0.5, torch.Generator().manual_seed(1))
    first = linear.weight.detach().clone()
    assert abs(first.mean().item()) < 0.01
    assert abs(first.std().item() - 0.5) < 0.01
    linear.draw(0.5, torch.Generator().manual_seed(1))
    assert torch.equal(linear.weight, first)


def test_progress_reaches_every_module() -> None:
    model = nn.Sequential(
        QuantLinear(2, 2, Doubling()), nn.Sequential(QuantEmbedding(2, 2, Doubling())), nn.Linear(2, 2)
    )
    set_progress(model, 0.75)
    assert [(name, module.progress) for name, module in quantized_modules(model)] == [("0", 0.75), ("1.0", 0.75)]


def test_counting_by_hand() -> None:
    # 2 layers of width 8: queries 64, keys and values 32 each (one of two heads), output 64, three MLP matrices of 96.
    config = LlamaConfig(layers=2, width=8, heads=2, kv_heads=1, hidden=12, context=4)
    linears, norms = 2 * (64 + 32 + 32 + 64 + 3 * 96), 2 * (8 + 8 + 8 + 12) + 8
    for method in ("pentanary", "lsq-pentanary", "full-precision"):
        model = build(config, 11, Trainable(method))
        assert count_parameters(model) == (linears + norms + 2 * 11 * 8, linears)  # learned steps are no weights
    model = build(config, 11, Trainable("lsq-pentanary", "grid", "grid"))
    assert count_parameters(model) == (linears + norms + 2 * 11 * 8, linears + 2 * 11 * 8)


def test_a_tied_matrix_counts_once() -> None:
    tied = build(
        LlamaConfig(layers=1, width=8, heads=2, kv_heads=2, hidden=12, tie=True),
        11,
        Trainable("ternary", "grid", "grid"),
    )
    total, quantized = count_parameters(tied)
    assert total - quantized == 8 + 8 + 8 + 12 + 8  # the norms
    assert [name for name, _ in method_modules(tied)].count("model.embed_tokens") == 1
    assert "lm_head" not in dict(method_modules(tied))
    gpt = build(GPTConfig(layers=1, width=8, heads=2, context=4), 11, Trainable("ternary", "float32", "grid"))
    assert count_parameters(gpt) == (11 * 8 + 4 * 8 + 12 * 64 + 3 * 8, 11 * 8 + 12 * 64)
    assert "lm_head" in dict(method_modules(gpt))


def test_only_the_linears_are_under_the_method_by_default() -> None:
    model = build(LlamaConfig(layers=1), 11, Trainable("ternary"))
    names = {name for name, _ in method_modules(model)}
    attention = {f"model.layers.0.self_attn.{part}_proj" for part in "qkvo"}
    assert names == attention | {f"model.layers.0.mlp.{part}_proj" for part in ("gate", "up", "down")}


def test_each_weight_has_a_quantizer_of_its_own() -> None:
    model = build(LlamaConfig(layers=2), 11, Trainable("lsq-pentanary"))
    found = [id(module.quantizer) for _, module in quantized_modules(model)]
    assert len(set(found)) == len(found)
    assert type(quantizer("lsq-pentanary")) is type(
        dict(quantized_modules(model))["model.layers.0.mlp.up_proj"].quantizer
    )
