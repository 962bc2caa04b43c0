"""Settings that cannot work are refused by name, before anything is trained."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pentanet.config import from_tree, to_toml, to_tree
from pentanet.errors import ConfigError
from pentanet.families import GPTConfig, LlamaConfig
from pentanet.nn import STORAGES
from pentanet.quant import METHODS
from pentanet.training.config import TrainConfig, WeightConfig
from pentanet.training.presets import load_config


@pytest.mark.parametrize(
    "pair",
    [
        "steps=0",
        "log_every=0",
        "eval_every=-1",
        "checkpoint_every=0",
        "keep=0",
        "eval_tokens=-1",
        "eval_random_batches=-1",
        "seed=-1",
        "seed=4294967296",
        "batch.size=0",
        "batch.windows=sliding",
        "optimizer.kind=sgd",
        "optimizer.lr=0.0",
        "optimizer.lr=-1.0",
        "optimizer.lr=nan",
        "optimizer.lr=inf",
        "optimizer.muon_lr=0.0",
        "optimizer.eps=0.0",
        "optimizer.clip=-1.0",
        "optimizer.weight_decay=-0.1",
        "optimizer.beta1=1.0",
        "optimizer.beta2=-0.1",
        "schedule.kind=linear",
        "schedule.warmup=-1",
        "schedule.final=1.5",
        "schedule.warmdown=-0.1",
        "schedule.drop_at=2.0",
        "schedule.drop_to=nan",
        "schedule.decay_off=1.1",
        "precision=float16",
        "weights.embedding=int4",
        "weights.head=bf16",
        "model.layers=0",
        "model.width=95",
        "model.heads=7",
        "model.kv_heads=2",
        "model.hidden=0",
        "model.context=0",
        "model.activation=gelu",
        "model.rope_theta=0.0",
        "model.rope_theta=1.0",
        "model.head_dim=31",
        "model.head_dim=-2",
        "model.window=-1",
        "model.norm_eps=-1.0",
        "model.init_std=0.0",
    ],
)
def test_values_out_of_range_are_refused_by_name(pair: str) -> None:
    key = pair.partition("=")[0].rpartition(".")[2]
    with pytest.raises(ConfigError, match=key):
        load_config("nano", [pair])


@pytest.mark.parametrize("pair", ["model.dropout=1.0", "model.dropout=-0.1", "model.width=97", "model.layers=0"])
def test_values_out_of_range_in_gpt(pair: str) -> None:
    with pytest.raises(ConfigError, match=pair.partition("=")[0]):
        load_config("nano-seed", [pair])


def test_a_tied_matrix_has_one_storage() -> None:
    tied = LlamaConfig(tie=True)
    assert TrainConfig(model=tied, weights=WeightConfig(embedding="grid", head="grid")).model == tied
    with pytest.raises(ConfigError, match=r"model.tie needs weights.embedding and weights.head to be the same"):
        TrainConfig(model=tied, weights=WeightConfig(embedding="int8", head="grid"))


def test_the_family_decides_the_keys_of_the_model() -> None:
    assert isinstance(from_tree(TrainConfig, {"model": {"family": "gpt"}}, "x").model, GPTConfig)
    assert isinstance(from_tree(TrainConfig, {"model": {"family": "llama"}}, "x").model, LlamaConfig)
    with pytest.raises(ConfigError, match="unknown key 'kv_heads'"):
        from_tree(TrainConfig, {"model": {"family": "gpt", "kv_heads": 3}}, "x")
    with pytest.raises(ConfigError, match=r"'lama'.*Did you mean 'llama'"):
        from_tree(TrainConfig, {"model": {"family": "lama"}}, "x")
    with pytest.raises(ConfigError, match="x: 'model' is missing"):
        from_tree(TrainConfig, {}, "x")


MODELS: list[Any] = [
    {"family": "llama", "width": 48, "heads": 4, "kv_heads": 2, "sub_norms": False},
    {"family": "llama", "sub_norms": False, "rope": {"rope_type": "yarn", "factor": 2.0}},
    {"family": "gpt", "width": 48, "heads": 4, "dropout": 0.25},
]
TREES = st.fixed_dictionaries(
    {"model": st.sampled_from(MODELS)},
    optional={
        "weights": st.fixed_dictionaries(
            {"embedding": st.sampled_from(STORAGES), "method": st.sampled_from(tuple(METHODS))}
        ),
        "data": st.fixed_dictionaries({"source": st.text(), "eos": st.sampled_from(["line", "document", "none"])}),
        "optimizer": st.fixed_dictionaries({"lr": st.floats(1e-300, 1e300), "clip": st.floats(0, 1e300)}),
        "schedule": st.fixed_dictionaries({"final": st.floats(0, 1), "warmup": st.integers(0, 10**12)}),
        "steps": st.integers(1, 10**12),
        "seed": st.integers(0, 2**32 - 1),
    },
)


@given(TREES)
def test_toml_round_trip(tree: dict[str, Any]) -> None:
    config = from_tree(TrainConfig, tree, "tree")
    assert from_tree(TrainConfig, tomllib.loads(to_toml(config)), "toml") == config
    assert from_tree(TrainConfig, to_tree(config), "tree") == config


def test_what_rounds_the_inputs() -> None:
    def used(method: str, activations: str) -> str:
        pairs = [f"weights.method={method}", f"weights.activations={activations}"]
        return load_config("nano", pairs).weights.used_activations

    assert used("bitnet-b158", "method") == "int8"
    assert used("full-precision", "hadamard") == "none"
    assert used("quest-hadamard-ternary", "method") == "hadamard"
    assert used("quest-hadamard-ternary", "hadamard8") == "hadamard8"
    with pytest.raises(ConfigError, match="'int8': method 'quest-hadamard-ternary' rotates weights and inputs"):
        used("quest-hadamard-ternary", "int8")


def test_tokens_of_a_run() -> None:
    assert load_config("seed-124m").tokens == 40_960_000
