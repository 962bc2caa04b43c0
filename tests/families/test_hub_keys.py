"""Every key of transformers' configuration classes, absent, null and set: the same logits, or a refusal by name."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from pentanet.errors import ConfigError
from pentanet.families import canonical_config, config_from_hub
from pentanet.families.build import build
from pentanet.families.tensor_table import hub_shapes
from pentanet.sources.defaults import transposed
from pentanet.sources.float_network import FloatWeights

transformers = pytest.importorskip("transformers")

VOCAB, LAYERS, CONTEXT = 40, 2, 64
ABSENT = object()
IDS = torch.randint(VOCAB, (2, CONTEXT), generator=torch.Generator().manual_seed(0))
LLAMA = {
    "vocab_size": VOCAB,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": CONTEXT,
    "bos_token_id": 0,
    "eos_token_id": 0,
}
GPT2 = {
    "vocab_size": VOCAB,
    "n_embd": 32,
    "n_layer": LAYERS,
    "n_head": 4,
    "n_positions": CONTEXT,
    "bos_token_id": 0,
    "eos_token_id": 0,
}
WINDOW = {"sliding_window": 5, "use_sliding_window": True, "max_window_layers": 0}
BASES: dict[str, dict[str, Any]] = {
    "llama": LLAMA,
    "bitnet": LLAMA,
    "mistral": {**LLAMA, "sliding_window": 5},
    "qwen2": LLAMA,
    "qwen2, window": {**LLAMA, **WINDOW},
    "llama, biases": {**LLAMA, "attention_bias": True, "mlp_bias": True},
    "qwen3, biases": {**LLAMA, "head_dim": 8, "attention_bias": True},
    "qwen3": {**LLAMA, "head_dim": 8},
    "qwen3, window": {**LLAMA, **WINDOW, "head_dim": 8},
    "gpt2": GPT2,
}
SIZES = {"vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
         "n_embd", "n_layer", "n_head"}  # fmt: skip
"""Without them there is another network, perhaps a large one."""
NOT_OURS = {"per_layer_config", "dtype", "transformers_version", "id2label", "label2id", "problem_type"}

YARN = {"rope_type": "yarn", "factor": 4.0}
LONG = {"factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "rope_type": "llama3"}
ROPES: list[Any] = [
    {},
    {"rope_type": "default"},
    {"rope_type": "default", "rope_theta": 500.0},
    {"rope_type": "default", "rope_theta": None},
    {"rope_type": "default", "partial_rotary_factor": 0.5},
    {"type": "linear", "factor": 3},
    {"type": "linear", "rope_type": "default", "factor": 3},
    {"rope_type": "linear"},
    {"rope_type": "dynamic", "factor": 3.0},
    LONG,
    {**LONG, "original_max_position_embeddings": 20},
    {**LONG, "rope_theta": 500.0},
    YARN,
    {**YARN, "original_max_position_embeddings": 20},
    {**YARN, "original_max_position_embeddings": 20, "beta_fast": None, "beta_slow": 0, "attention_factor": None},
    {**YARN, "original_max_position_embeddings": 20, "attention_factor": 1.5, "mscale": 2.0, "mscale_all_dim": 1.0},
    {**YARN, "original_max_position_embeddings": 20, "mscale": 2.0, "mscale_all_dim": 0.5},
    {**YARN, "original_max_position_embeddings": 20, "mscale": 2.0},
    {**YARN, "original_max_position_embeddings": 20, "truncate": False},
    {**YARN, "original_max_position_embeddings": 20, "truncate": True},
    {**YARN, "factor": 0.5, "mscale": 2.0, "mscale_all_dim": 0.5},
    {"rope_type": "longrope", "factor": 2.0, "short_factor": [1.0] * 4, "long_factor": [2.0] * 4},
    {"full_attention": {"rope_type": "default", "rope_theta": 500.0}},
]
FULL, SLIDING = "full_attention", "sliding_attention"
VALUES: dict[str, list[Any]] = {
    "rope_parameters": ROPES,
    "rope_scaling": ROPES,
    "rope_theta": [500, 500.0],
    "partial_rotary_factor": [1.0, 0.5],
    "original_max_position_embeddings": [20],
    "layer_types": [[FULL] * LAYERS, [SLIDING] * LAYERS, [SLIDING, FULL], [FULL, SLIDING], [FULL], [], "full"],
    "sliding_window": [5, 1, CONTEXT],
    "max_window_layers": [0, 1, LAYERS, 28, -1],
    "hidden_act": ["swish", "silu", "gelu", "relu2"],
    "activation_function": ["gelu", "gelu_pytorch_tanh", "gelu_new", "relu"],
    "head_dim": [8, 16, 7],
    "n_inner": [128, 64],
    "is_causal": [True, False],
    "num_key_value_heads": [2, 4, 1],
    "n_ctx": [8],
}
FURTHER = ("rope_scaling", "rope_theta", "partial_rotary_factor", "original_max_position_embeddings", "is_causal",
           "head_dim", "layer_types", "sliding_window", "mlp_bias", "attention_bias", "n_ctx")  # fmt: skip
"""Keys that no class has a field for, but that are read, or stand in files all the same."""
TOGETHER: list[dict[str, Any]] = [
    {"rope_theta": 500.0, "rope_scaling": YARN, "rope_parameters": {"rope_type": "default", "rope_theta": 9000.0}},
    {"rope_theta": 500.0, "rope_scaling": {}, "rope_parameters": {"rope_type": "default", "rope_theta": 9000.0}},
    {"rope_theta": None, "rope_parameters": {"rope_type": "default", "rope_theta": 9000.0}},
    {"rope_scaling": {**YARN, "original_max_position_embeddings": 32}, "original_max_position_embeddings": 20},
    {"rope_scaling": YARN, "original_max_position_embeddings": None},
    {"rope_scaling": {**LONG, "original_max_position_embeddings": 32}, "original_max_position_embeddings": 20},
    {"use_sliding_window": True, "layer_types": [FULL] * LAYERS},
    {"use_sliding_window": True, "sliding_window": None, "max_window_layers": 0},
    {"use_sliding_window": True, "sliding_window": 5, "max_window_layers": ABSENT},
]


@dataclass
class Trained:
    """A network of transformers, in its folder without a config.json."""

    kind: str
    base: dict[str, Any]
    state: dict[str, Tensor]
    folder: Path

    def theirs(self, config: dict[str, Any]) -> Tensor | None:
        """Logits of transformers; None where it does not read such a config.json, or these weights with it."""
        (self.folder / "config.json").write_text(json.dumps(config))
        try:
            read = transformers.AutoConfig.from_pretrained(self.folder)
            model = transformers.AutoModelForCausalLM.from_config(read).float().eval()
            model.load_state_dict(self.state)
            return logits(model)
        except Exception:  # whatever a wrong value ran into
            return None

    def ours(self, config: dict[str, Any]) -> Tensor | None:
        """Logits of the network here; None where the weights are of another one.  Raises ConfigError."""
        sizes = config_from_hub(config)
        shapes = {name: self.stored(name).shape for name in self.state}
        if any(shapes.get(name) != shape for name, shape in hub_shapes(sizes, VOCAB).items()):
            return None
        network = build(sizes, VOCAB, FloatWeights()).eval()
        with torch.no_grad():
            for name, parameter in network.named_parameters():
                parameter.copy_(self.stored(name))
        return logits(network)

    def stored(self, name: str) -> Tensor:
        """A tensor as networks here have it."""
        values = self.state[name]
        return values.t() if values.ndim == 2 and transposed(name, self.kind) else values


def logits(network: Any) -> Tensor:
    with torch.inference_mode():
        found = network(IDS)
    return found if isinstance(found, Tensor) else found.logits


@pytest.fixture(scope="module", params=list(BASES))
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    kind = request.param.split(",")[0]
    base = {"model_type": kind, **BASES[request.param]}
    config = transformers.AutoConfig.for_model(**base)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        state = transformers.AutoModelForCausalLM.from_config(config).state_dict()
        state = {name: values + 0.2 * torch.randn_like(values) for name, values in state.items()}
    embedding = next(iter(state))
    state["lm_head.weight"] = state[embedding].clone()  # tied or not, the network is the same
    return Trained(kind, base, state, tmp_path_factory.mktemp("hub"))


def changes(trained: Trained) -> Iterator[dict[str, Any]]:
    """Each key of the class absent, null, as the class has it, and set to other values; and some together."""
    kind = type(transformers.AutoConfig.for_model(trained.kind))
    defaults = {field.name: field.default for field in dataclasses.fields(kind)}
    further = (*FURTHER, *kind.attribute_map) if trained.kind == "gpt2" else FURTHER
    for key in (*defaults, *(key for key in further if key not in defaults)):
        if key in NOT_OURS:
            continue
        yield {key: None}
        if key in SIZES:
            continue
        yield {key: ABSENT}
        default = defaults.get(key, trained.base.get(kind.attribute_map.get(key, key)))
        values = VALUES.get(key, [default, *_others(default)])
        yield from ({key: value} for value in values)
    if trained.kind != "gpt2":
        yield from TOGETHER


def _others(value: object) -> list[object]:
    match value:
        case bool():
            return [not value]
        case int() | float():
            return [value * 2]
        case _:
            return []


def outcome(trained: Trained, config: dict[str, Any]) -> tuple[Tensor | None, str]:
    """Logits here, or what the refusal says."""
    try:
        return trained.ours(config), ""
    except ConfigError as error:
        return None, str(error)


@pytest.mark.slow
def test_every_key_means_what_it_means_to_transformers(trained: Trained) -> None:
    compared = 0
    for change in changes(trained):
        config = {key: value for key, value in (trained.base | change).items() if value is not ABSENT}
        theirs = trained.theirs(config)
        ours, refusal = outcome(trained, config)
        if refusal:
            assert "model." in refusal or any(key in refusal for key in change), f"{change}: {refusal}"
            continue
        if theirs is None or ours is None:
            assert theirs is None or set(change) & {"num_key_value_heads"}, f"{change}: read by transformers alone"
            continue
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-3, msg=lambda text, at=change: f"{at}: {text}")
        compared += 1
        canonical = canonical_config(config)
        assert config_from_hub(canonical) == config_from_hub(config)
        if canonical != canonical_config(trained.base):
            again = trained.theirs(canonical)
            assert again is not None
            torch.testing.assert_close(again, theirs, rtol=1e-4, atol=1e-4, msg=lambda text, at=change: f"{at}: {text}")
    assert compared > 20
