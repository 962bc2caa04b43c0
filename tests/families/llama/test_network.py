"""Llama's shape against a plain rewriting of its formulas, one position and one head at a time."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from pentanet.errors import ConfigError
from pentanet.families import LlamaConfig, config_from_hub
from pentanet.families.build import build
from pentanet.families.llama.network import Llama
from pentanet.families.network import Network
from pentanet.families.rope import LinearRope, Llama3Rope, PlainRope, Rotary, YarnRope
from pentanet.families.rotary import rotary_tensors, rotate
from pentanet.families.tensor_table import has_own_head
from pentanet.nn import Trainable, quantized_modules

CONFIG = LlamaConfig(layers=2, width=16, heads=4, kv_heads=2, hidden=20, context=12, activation="relu2")
VOCAB = 23


def network(config: LlamaConfig = CONFIG, method: str = "pentanary", **storage: str) -> Network:
    made = build(config, VOCAB, Trainable(method, **storage)).eval()
    made.initialize(torch.Generator().manual_seed(0))
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            if "norm" in name:  # gains of one would hide a norm that is applied twice, or to the wrong thing
                parameter.uniform_(0.5, 1.5, generator=torch.Generator().manual_seed(len(name)))
    return made


def ids(batch: int = 2, length: int = 9) -> Tensor:
    return torch.randint(VOCAB, (batch, length), generator=torch.Generator().manual_seed(1))


def by_hand(model: Network, config: LlamaConfig, tokens: list[int]) -> Tensor:
    """Logits [T, vocab] in float64, from the weights that the modules use."""
    w = {name: module.used_weight().detach().double() for name, module in quantized_modules(model)}
    gain = {name: p.detach().double() for name, p in model.named_parameters() if "norm" in name}

    def norm(x: Tensor, name: str) -> Tensor:
        return x / torch.sqrt((x * x).mean() + config.norm_eps) * gain[name + ".weight"]

    def head(x: Tensor, name: str, position: int) -> Tensor:
        return turned(norm(x, name) if config.qk_norm else x, position)

    def turned(x: Tensor, position: int) -> Tensor:
        half = len(x) // 2
        out = x.clone()
        for i in range(half):
            angle = position * config.rope_theta ** (-2 * i / len(x))
            c, s = math.cos(angle), math.sin(angle)
            out[i], out[i + half] = c * x[i] - s * x[i + half], s * x[i] + c * x[i + half]
        return out

    e = config.head_width
    stream = [w["model.embed_tokens"][t] for t in tokens]
    for layer in range(config.layers):
        at = f"model.layers.{layer}."
        normed = [norm(x, at + "input_layernorm") for x in stream]
        q, k, v = ([w[f"{at}self_attn.{p}_proj"] @ x for x in normed] for p in "qkv")
        for t in range(len(tokens)):
            heads = []
            for h in range(config.heads):
                g = h // (config.heads // config.kv_heads)
                query = head(q[t][h * e : h * e + e], at + "self_attn.q_norm", t)
                seen = range(max(0, t + 1 - config.window) if config.window else 0, t + 1)
                keys = [head(k[s][g * e : g * e + e], at + "self_attn.k_norm", s) for s in seen]
                shares = (torch.stack([query @ key for key in keys]) / math.sqrt(e)).softmax(0)
                heads.append(sum(a * v[s][g * e : g * e + e] for s, a in zip(seen, shares, strict=True)))
            y = torch.cat(heads)
            if config.sub_norms:
                y = norm(y, at + "self_attn.attn_sub_norm")
            x = stream[t] + w[at + "self_attn.o_proj"] @ y
            z = norm(x, at + "post_attention_layernorm")
            gate = w[at + "mlp.gate_proj"] @ z
            gate = gate.clamp(min=0) ** 2 if config.activation == "relu2" else gate * torch.sigmoid(gate)
            z = gate * (w[at + "mlp.up_proj"] @ z)
            if config.sub_norms:
                z = norm(z, at + "mlp.ffn_sub_norm")
            stream[t] = x + w[at + "mlp.down_proj"] @ z
    return torch.stack([w["lm_head"] @ norm(x, "model.norm") for x in stream])


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"sub_norms": False},
        {"activation": "silu"},
        {"kv_heads": 4},
        {"kv_heads": 1},
        {"tie": True},
        {"head_dim": 6},
        {"sub_norms": False, "qk_norm": True, "head_dim": 8},
        {"sub_norms": False, "window": 3},
        {"sub_norms": False, "window": 1, "qk_norm": True},
        {"sub_norms": False, "window": 9},
    ],
    ids=str,
)
def test_forward_by_hand(changes: dict[str, Any]) -> None:
    config = replace(CONFIG, **changes)
    model = network(config)
    tokens = ids()
    with torch.no_grad():
        logits = model(tokens)
    expected = torch.stack([by_hand(model, config, row) for row in tokens.tolist()])
    torch.testing.assert_close(logits.double(), expected, rtol=2e-4, atol=2e-5)


def test_the_future_changes_nothing() -> None:
    model, tokens = network(), ids()
    with torch.no_grad():
        before = model(tokens)
        tokens[:, 5] = (tokens[:, 5] + 1) % VOCAB
        after = model(tokens)
    assert torch.equal(before[:, :5], after[:, :5])
    assert not torch.equal(before[:, 5:], after[:, 5:])


def test_rotary_scores_depend_on_the_distance_alone() -> None:
    cos, sin = rotary_tensors(Rotary(width=8, theta=10_000.0, rope=PlainRope()), 40)
    q, k = torch.randn(2, 1, 1, 1, 8, generator=torch.Generator().manual_seed(0)).expand(2, 1, 1, 40, 8)
    q, k = rotate(q, cos, sin)[0, 0], rotate(k, cos, sin)[0, 0]
    scores = q @ k.T
    for distance in (0, 3, 20):
        along = scores.diagonal(-distance)
        torch.testing.assert_close(along, along[:1].expand_as(along), rtol=1e-4, atol=1e-5)
    assert scores[0, 0] != scores[5, 0]


def test_the_rotary_table_grows_with_the_text_and_changes_nothing() -> None:
    model, grown, tokens = network(), network(), ids()
    with torch.inference_mode():
        whole = model(tokens)
        for length in (1, 2, 5, 9):
            torch.testing.assert_close(grown(tokens[:, :length]), whole[:, :length])
    grown(tokens).sum().backward()  # the table of an evaluation serves training


def test_a_network_of_a_long_context_is_small_until_a_long_text_comes() -> None:
    model = network(replace(CONFIG, context=1 << 40))
    with torch.no_grad():
        assert torch.equal(model(ids()), network()(ids()))


def test_scale_of_the_initial_weights() -> None:
    config = LlamaConfig(layers=8, width=256, heads=4, kv_heads=4, hidden=512, init_std=0.03)
    model = build(config, 2000, Trainable("pentanary"))
    model.initialize(torch.Generator().manual_seed(0))
    stds = {name: module.weight.std().item() for name, module in quantized_modules(model)}
    assert stds["model.embed_tokens"] == pytest.approx(0.03, rel=0.02)
    assert stds["lm_head"] == pytest.approx(0.03, rel=0.02)
    assert stds["model.layers.3.self_attn.q_proj"] == pytest.approx(256**-0.5, rel=0.02)
    assert stds["model.layers.3.mlp.up_proj"] == pytest.approx(256**-0.5, rel=0.02)
    assert stds["model.layers.3.self_attn.o_proj"] == pytest.approx((256 * 16) ** -0.5, rel=0.02)
    assert stds["model.layers.3.mlp.down_proj"] == pytest.approx((512 * 16) ** -0.5, rel=0.02)


def test_a_tied_head_leaves_the_embedding_as_it_was_drawn() -> None:
    model = network(replace(CONFIG, tie=True, init_std=0.1))
    assert isinstance(model, Llama)
    assert not has_own_head(model.config)
    assert dict(model.named_parameters()).keys().isdisjoint({"lm_head.weight"})


@pytest.mark.parametrize(
    ("changes", "architecture"),
    [
        ({}, "BitNetForCausalLM"),
        ({"sub_norms": False}, "LlamaForCausalLM"),
        ({"tie": True, "activation": "silu", "rope_theta": 5e5, "head_dim": 6}, "BitNetForCausalLM"),
        ({"sub_norms": False, "rope": LinearRope(factor=2.5)}, "LlamaForCausalLM"),
        ({"sub_norms": False, "rope": Llama3Rope(factor=32.0)}, "LlamaForCausalLM"),
        ({"sub_norms": False, "qk_norm": True, "head_dim": 128, "rope": YarnRope()}, "Qwen3ForCausalLM"),
        ({"sub_norms": False, "qk_norm": True, "rope": YarnRope(attention_factor=1.5)}, "Qwen3ForCausalLM"),
        ({"sub_norms": False, "qk_norm": True, "window": 4}, "Qwen3ForCausalLM"),
        ({"sub_norms": False, "window": 5}, "MistralForCausalLM"),
        ({"sub_norms": False, "attention_bias": "all", "mlp_bias": True}, "LlamaForCausalLM"),
        ({"sub_norms": False, "attention_bias": "all", "qk_norm": True, "window": 3}, "Qwen3ForCausalLM"),
        ({"sub_norms": False, "attention_bias": "qkv", "window": 3}, "Qwen2ForCausalLM"),
        ({"attention_bias": "all"}, "BitNetForCausalLM"),
    ],
    ids=str,
)
def test_hub_config_round_trip(changes: dict[str, Any], architecture: str) -> None:
    config = replace(CONFIG, **changes)
    hub = config.hub_config(VOCAB)
    assert config_from_hub(json.loads(json.dumps(hub))) == config
    assert hub["vocab_size"] == VOCAB
    assert hub["architectures"] == [architecture]
    assert hub["head_dim"] == config.head_width


def hub_without_rope() -> dict[str, Any]:
    hub = replace(CONFIG, sub_norms=False).hub_config(VOCAB)
    del hub["rope_theta"]
    return hub


YARN = YarnRope(factor=2.0, original_max_position_embeddings=CONFIG.context)  # as none is named


@pytest.mark.parametrize(
    ("keys", "theta", "rope"),
    [
        ({"rope_theta": 5e5, "rope_scaling": None}, 5e5, PlainRope()),
        ({"rope_parameters": {"rope_theta": 5e5, "rope_type": "default"}}, 5e5, PlainRope()),
        ({"rope_theta": 2e4, "rope_scaling": {"type": "linear", "factor": 3}}, 2e4, LinearRope(factor=3.0)),
        ({"rope_parameters": {"rope_theta": 9e3, "rope_type": "yarn", "factor": 2}}, 9e3, YARN),
        ({}, 10_000.0, PlainRope()),
    ],
    ids=str,
)
def test_both_spellings_of_rotary_positions_are_read(keys: dict[str, Any], theta: float, rope: object) -> None:
    config = config_from_hub(hub_without_rope() | keys)
    assert isinstance(config, LlamaConfig)
    assert (config.rope_theta, config.rope) == (theta, rope)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"rope_theta": None}, r"config.json: rope_theta: expected float, got None"),
        ({"rope_theta": 1e4, "rope_scaling": 3}, r"config.json: rope_scaling: expected a table, got 3"),
        ({"rope_parameters": {"rope_theta": "x"}}, r"config.json: rope_parameters: rope_theta: expected float"),
        ({"rope_theta": 1e4, "rope_scaling": {"rope_type": "yarm"}}, r"rope_scaling.rope_type: 'yarm'.*'yarn'"),
        ({"rope_scaling": {"rope_type": "yarn", "factor": 2, "finetuned": True}}, "unknown key 'finetuned'"),
        ({"rope_scaling": {"rope_type": "yarn", "factor": 2, "truncate": False}}, "rope_scaling: truncate: bounds"),
        ({"rope_scaling": {"rope_type": "yarn"}}, "rope_scaling: yarn needs 'factor'"),
        ({"rope_scaling": {"type": "linear"}}, "rope_scaling: linear needs 'factor'"),
        ({"rope_scaling": {"type": "linear", "factor": 2, "partial_rotary_factor": 0.5}}, "a part of each head"),
        ({"partial_rotary_factor": 0.5}, "config.json: partial_rotary_factor: rotating a part of each head"),
        ({"is_causal": False}, "config.json: is_causal: attention to tokens that come later"),
        ({"per_layer_config": {"0": {}}}, "config.json: per_layer_config: layers that differ"),
        ({"rms_norm_eps": 10**400}, "config.json: rms_norm_eps: a number of 401 digits is too large"),
        ({"rms_norm_eps": float("inf")}, "model.norm_eps = inf: must be positive and finite"),
        ({"num_hidden_layers": 10**400}, "num_hidden_layers: more than 4096 layers"),
        ({"max_position_embeddings": 1 << 21}, "max_position_embeddings: more than 1048576 tokens of context"),
        ({"max_position_embeddings": 1 << 17, "head_dim": 4096}, "131072 with heads of 4096: their product is above"),
        ({"model_type": ["llama"]}, r"config.json: model_type \['llama'\] is no name"),
        ({"rope_theta": 1e4, "rope_scaling": {"rope_type": "linear", "factor": 0}}, "model.rope.factor = 0.0"),
        ({"rope_theta": 1e4, "attention_bias": "yes"}, "config.json: attention_bias: expected bool"),
        ({"rope_theta": 1e4, "mlp_bias": 1}, "config.json: mlp_bias: expected bool"),
        ({"rope_theta": 1e4, "head_dim": 2.5}, "config.json: head_dim: expected int"),
        ({"rope_theta": 1e4, "head_dim": 7}, "model.head_dim = 7: must be even"),
        ({"rope_theta": 1e4, "model_type": "mistral", "sliding_window": "4"}, "sliding_window: expected int"),
        ({"rope_theta": 1e4, "model_type": "mistral", "sliding_window": -4}, "sliding_window -4: must be at"),
        (
            {
                "rope_theta": 1e4,
                "model_type": "qwen3",
                "use_sliding_window": True,
                "sliding_window": 4,
                "max_window_layers": 1,
            },
            "max_window_layers: a window in some layers only is not supported",
        ),
    ],
    ids=str,
)
def test_what_this_network_does_not_have_is_refused(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        config_from_hub(hub_without_rope() | keys)


def test_a_window_that_is_not_used_is_none() -> None:
    qwen = {"rope_theta": 1e4, "model_type": "qwen3", "use_sliding_window": False, "sliding_window": 4}
    mistral = {"rope_theta": 1e4, "model_type": "mistral", "sliding_window": None}
    for keys in (qwen, mistral):
        config = config_from_hub(hub_without_rope() | keys)
        assert isinstance(config, LlamaConfig)
        assert config.window == 0


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"qk_norm": True}, "qk_norm and model.sub_norms"),
        ({"window": 3}, "window and model.sub_norms"),
        ({"attention_bias": "qkv"}, "attention_bias and model.sub_norms"),
        ({"mlp_bias": True}, "mlp_bias and model.sub_norms"),
        ({"sub_norms": False, "qk_norm": True, "attention_bias": "qkv"}, "attention_bias and model.qk_norm"),
        ({"sub_norms": False, "qk_norm": True, "mlp_bias": True}, "mlp_bias and model.qk_norm"),
        ({"sub_norms": False, "window": 3, "mlp_bias": True}, "mlp_bias and model.window"),
        ({"sub_norms": False, "window": 3, "attention_bias": "all"}, "attention_bias 'all' and model.window"),
    ],
    ids=str,
)
def test_shapes_that_no_architecture_has_are_refused(changes: dict[str, Any], names: str) -> None:
    with pytest.raises(ConfigError, match=f"model.{names}: no network of transformers has both"):
        replace(CONFIG, **changes)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("hidden_size", None, r"config.json: 'hidden_size' is missing"),
        ("num_hidden_layers", 2.0, r"config.json: num_hidden_layers: expected int, got 2\.0"),
        ("num_hidden_layers", "2", r"config.json: num_hidden_layers: expected int"),
        ("num_hidden_layers", True, r"config.json: num_hidden_layers: expected int"),
        ("num_attention_heads", 0, r"model.heads = 0: must be at least 1"),
        ("hidden_act", "gelu", r"config.json: hidden_act: 'gelu' is not one of its values"),
        ("rope_theta", "big", r"config.json: rope_theta: expected float"),
        ("tie_word_embeddings", 1, r"config.json: tie_word_embeddings: expected bool"),
        ("model_type", "mamba", r"config.json: model_type 'mamba' is not supported; known: llama, bitnet"),
    ],
)
def test_config_json_is_not_believed(key: str, value: object, message: str) -> None:
    hub = CONFIG.hub_config(VOCAB) | {key: value}
    if value is None:
        del hub[key]
    with pytest.raises(ConfigError, match=message):
        config_from_hub(hub)


def test_whole_numbers_stand_for_floats_in_config_json() -> None:
    assert config_from_hub(CONFIG.hub_config(VOCAB) | {"rope_theta": 10_000}) == CONFIG


def test_init_gain_scales_the_blocks_alone() -> None:
    def weights(gain: float) -> dict[str, torch.Tensor]:
        made = build(LlamaConfig(layers=2, init_gain=gain), 300, Trainable("pentanary"))
        made.initialize(torch.Generator().manual_seed(0))
        return {name: p.detach() for name, p in made.named_parameters()}

    plain, halved = weights(1.0), weights(0.5)
    for name, weight in plain.items():
        factor = 0.5 if name.endswith("_proj.weight") else 1.0
        assert torch.equal(halved[name], weight * factor)
    with pytest.raises(ConfigError, match=r"model\.init_gain = 0: must be positive"):
        LlamaConfig(init_gain=0)
