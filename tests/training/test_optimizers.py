"""Which parameters get which rate and decay, and the way to a checkpoint and back."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from pentanet.families import GPTConfig, LlamaConfig, ModelConfig
from pentanet.families.build import build
from pentanet.families.network import Network
from pentanet.nn import Trainable
from pentanet.training.config import OptimizerConfig, ScheduleConfig
from pentanet.training.optimizers import Optimizer

LLAMA = LlamaConfig(layers=2, width=16, heads=2, kv_heads=1, hidden=24, context=8)
GPT = GPTConfig(layers=2, width=16, heads=2, context=8)
FLAT = ScheduleConfig(kind="warmdown", warmup=0, warmdown=0.0, decay_off=0.5)


def network(config: ModelConfig = LLAMA, method: str = "lsq-pentanary") -> Network:
    made = build(config, 11, Trainable(method))
    made.initialize(torch.Generator().manual_seed(0))
    return made


def optimizer(model: nn.Module, schedule: ScheduleConfig = FLAT, steps: int = 10, **settings: object) -> Optimizer:
    settings = {"kind": "adamw", "lr": 0.01, "muon_lr": 0.02, **settings}
    return Optimizer(model, OptimizerConfig(**settings), schedule, steps)  # type: ignore[arg-type]


def set_gradients(model: nn.Module, seed: int | None = None) -> None:
    generator = torch.Generator().manual_seed(seed or 0)
    for p in model.parameters():
        p.grad = torch.zeros_like(p) if seed is None else torch.randn(p.shape, generator=generator)


def shrunk_by_decay(model: nn.Module, step: int = 0, **settings: object) -> set[str]:
    """Names of what gets smaller without any gradient."""
    part = optimizer(model, weight_decay=0.1, **settings)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    set_gradients(model)
    part.step(step)
    changed = set()
    for name, p in model.named_parameters():
        if not torch.equal(p, before[name]):
            lr = 0.02 if settings.get("kind") == "muon" and name in matrices(model) else 0.01
            torch.testing.assert_close(p, before[name] * (1 - lr * 0.1))
            changed.add(name)
    return changed


def matrices(model: nn.Module) -> set[str]:
    """Weights of the blocks, by the names that Hugging Face gives them."""
    ends = ("_proj.weight", "c_attn.weight", "c_fc.weight")
    return {name for name, _ in model.named_parameters() if name.endswith(ends)}


@pytest.mark.parametrize("kind", ["adamw", "muon"])
@pytest.mark.parametrize("config", [LLAMA, replace(LLAMA, tie=True), GPT], ids=["llama", "tied", "gpt"])
def test_only_matrices_of_the_blocks_are_decayed(config: ModelConfig, kind: str) -> None:
    model = network(config)
    assert len(matrices(model)) == (8 if config is GPT else 14)
    assert shrunk_by_decay(model, kind=kind) == matrices(model)


def test_everything_is_decayed_as_the_publication_does() -> None:
    model = network(GPT, "pentanet-seed")
    assert shrunk_by_decay(model, decay_vectors=True) == {name for name, _ in model.named_parameters()}


def test_learned_steps_are_never_decayed() -> None:
    model = network(LLAMA, "lsq-pentanary")
    names = {name for name, _ in model.named_parameters()}
    assert len({name for name in names if "quantizer" in name}) == 14
    assert shrunk_by_decay(model, decay_vectors=True) == {name for name in names if "quantizer" not in name}


def test_no_decay_after_its_end() -> None:
    assert shrunk_by_decay(network(), step=4) == matrices(network())
    assert shrunk_by_decay(network(), step=5) == set()


@pytest.mark.parametrize("config", [LLAMA, GPT], ids=["llama", "gpt"])
def test_muon_gets_the_matrices_of_the_blocks_and_nothing_else(config: ModelConfig) -> None:
    model = network(config)
    names = {id(p): name for name, p in model.named_parameters()}
    parts = {type(part).__name__: part for part in optimizer(model, kind="muon").parts}
    found = {
        kind: [names[id(p)] for group in part.param_groups for p in group["params"]] for kind, part in parts.items()
    }
    assert set(found) == {"Muon", "AdamW"}
    assert set(found["Muon"]) == matrices(model)
    assert sorted(found["Muon"] + found["AdamW"]) == sorted(names.values())  # each once


def test_adamw_gets_each_parameter_once() -> None:
    model = network()
    (part,) = optimizer(model).parts
    found = [id(p) for group in part.param_groups for p in group["params"]]
    assert sorted(found) == sorted(id(p) for p in model.parameters())


def test_the_first_step_of_adamw_by_hand() -> None:
    # Bias-corrected, the first step is the sign of the gradient times the rate, whatever the betas.
    model = network()
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    schedule = ScheduleConfig(kind="cosine", warmup=4)
    set_gradients(model, seed=1)
    signs = {name: p.grad.sign() for name, p in model.named_parameters() if p.grad is not None}
    assert optimizer(model, schedule, weight_decay=0.0).step(0) == pytest.approx(0.01 / 4)
    for name, p in model.named_parameters():
        torch.testing.assert_close(p.detach(), before[name] - 0.0025 * signs[name], rtol=1e-4, atol=1e-6)
        assert p.grad is None


def test_a_step_of_muon_is_orthogonal() -> None:
    model = network()
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    set_gradients(model, seed=1)
    optimizer(model, kind="muon", weight_decay=0.0, muon_lr=0.5).step(0)
    for name in matrices(model):
        rows, cols = before[name].shape
        update = (before[name] - model.get_parameter(name).detach()) / (0.5 * max(1, rows / cols) ** 0.5)
        values = torch.linalg.svdvals(update)
        assert values.min() > 0.3  # five Newton-Schulz steps bring them near one
        assert values.max() < 1.4


@pytest.mark.parametrize("kind", ["adamw", "muon"])
def test_restored_state_continues_bit_for_bit(kind: str) -> None:
    ran, resumed = network(), network()
    first = optimizer(ran, kind=kind)
    for step in range(4):
        if step == 2:
            state = {name: value.clone() for name, value in first.state().items()}
            weights = {name: p.detach().clone() for name, p in ran.named_parameters()}
        set_gradients(ran, seed=step + 1)
        first.step(step)
    second = optimizer(resumed, kind=kind)
    with torch.no_grad():
        for name, p in resumed.named_parameters():
            p.copy_(weights[name])
    second.restore(state)
    for step in (2, 3):
        set_gradients(resumed, seed=step + 1)
        second.step(step)
    for (name, a), (_, b) in zip(ran.named_parameters(), resumed.named_parameters(), strict=True):
        assert torch.equal(a, b), name
    assert first.state().keys() == second.state().keys()
    assert all(torch.equal(value, second.state()[name]) for name, value in first.state().items())
