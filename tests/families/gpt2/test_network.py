"""The publication's network: its counts, its start, and its forward pass by another road."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from pentanet.errors import ConfigError
from pentanet.families import GPTConfig, config_from_hub
from pentanet.families.build import build
from pentanet.families.gpt2.network import GPT2Network
from pentanet.families.network import Network
from pentanet.nn import Trainable, count_parameters, quantized_modules
from pentanet.training.presets import load_config

CONFIG = GPTConfig(layers=2, width=16, heads=4, context=12, dropout=0.5)
VOCAB = 23


def network(config: GPTConfig = CONFIG, method: str = "pentanet-seed") -> Network:
    made = build(config, VOCAB, Trainable(method, "float32", "grid")).eval()
    made.initialize(torch.Generator().manual_seed(0))
    return made


def ids() -> Tensor:
    return torch.randint(VOCAB, (3, 9), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    ("preset", "parameters", "quantized"),
    [("seed-124m", 123_944_448, 123_532_032), ("seed-345m", 354_027_520, 353_453_056)],
)
def test_published_parameter_counts(preset: str, parameters: int, quantized: int) -> None:
    config = load_config(preset)
    make = Trainable(config.weights.method, config.weights.embedding, config.weights.head)
    assert count_parameters(build(config.model, 50_257, make, device="meta")) == (parameters, quantized)


def by_hand(model: Network, tokens: Tensor) -> Tensor:
    """Logits as the publication's code computes them: quantize, softmax with a mask, erf."""
    p = {name: parameter.detach().double() for name, parameter in model.named_parameters()}

    def quantized(name: str) -> Tensor:
        w = p[name]
        s = max(w.abs().mean().item(), 1e-8)
        return (w / s).round().clamp(-2, 2) * s

    def norm(x: Tensor, name: str) -> Tensor:
        centred = x - x.mean(-1, keepdim=True)
        return centred / (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt() * p[name]

    wte = p["transformer.wte.weight"]
    B, T = tokens.shape
    x = wte[tokens] + p["transformer.wpe.weight"][:T]
    mask = torch.ones(T, T).tril().bool()
    for layer in range(CONFIG.layers):
        at = f"transformer.h.{layer}."
        qkv = norm(x, at + "ln_1.weight") @ quantized(at + "attn.c_attn.weight").T
        q, k, v = (part.view(B, T, CONFIG.heads, -1).transpose(1, 2) for part in qkv.split(CONFIG.width, -1))
        scores = (q @ k.transpose(-1, -2) / math.sqrt(CONFIG.width // CONFIG.heads)).masked_fill(~mask, -math.inf)
        y = (scores.softmax(-1) @ v).transpose(1, 2).reshape(B, T, -1)
        x = x + y @ quantized(at + "attn.c_proj.weight").T
        h = norm(x, at + "ln_2.weight") @ quantized(at + "mlp.c_fc.weight").T
        h = h * 0.5 * (1 + torch.erf(h / math.sqrt(2)))
        x = x + h @ quantized(at + "mlp.c_proj.weight").T
    return norm(x, "transformer.ln_f.weight") @ quantized("transformer.wte.weight").T


def test_forward_by_hand() -> None:
    model, tokens = network(), ids()
    with torch.no_grad():
        torch.testing.assert_close(model(tokens).double(), by_hand(model, tokens), rtol=2e-4, atol=2e-5)


def test_the_future_changes_nothing() -> None:
    model, tokens = network(), ids()
    with torch.no_grad():
        before = model(tokens)
        tokens[:, 5] = (tokens[:, 5] + 1) % VOCAB
        after = model(tokens)
    assert torch.equal(before[:, :5], after[:, :5])
    assert not torch.equal(before[:, 5:], after[:, 5:])


def test_dropout_only_while_training() -> None:
    model, tokens = network(), ids()
    with torch.no_grad():
        assert torch.equal(model(tokens), model(tokens))
        model.train()
        torch.manual_seed(0)
        first = model(tokens)
        assert not torch.equal(first, model(tokens))
        torch.manual_seed(0)
        assert torch.equal(first, model(tokens))


def test_the_head_is_quantized_and_the_look_up_is_not() -> None:
    model = network()
    assert isinstance(model, GPT2Network)
    assert model.lm_head.weight is model.transformer.wte.weight
    assert torch.equal(model.transformer.wte(ids()), F.embedding(ids(), model.lm_head.weight))
    assert len(dict(quantized_modules(model))["lm_head"].used_weight().unique()) == 5


def test_scale_of_the_initial_weights() -> None:
    config = GPTConfig(layers=2, width=256, heads=4, context=512)
    model = build(config, 3000, Trainable("pentanet-seed", "float32", "grid"))
    model.initialize(torch.Generator().manual_seed(0))
    stds = {name: parameter.std().item() for name, parameter in model.named_parameters() if "ln" not in name}
    assert stds.pop("transformer.wpe.weight") == pytest.approx(1.0, rel=0.02)
    assert stds.pop("transformer.h.1.mlp.c_proj.weight") == pytest.approx(1024**-0.5, rel=0.02)
    assert stds.pop("transformer.h.0.mlp.c_proj.weight") == pytest.approx(1024**-0.5, rel=0.02)
    assert list(stds.values()) == pytest.approx([256**-0.5] * len(stds), rel=0.02)  # the tied embedding among them


def test_hub_config_round_trip() -> None:
    assert config_from_hub(CONFIG.hub_config(VOCAB)) == CONFIG
    hub = CONFIG.hub_config(VOCAB)
    del hub["n_embd"]
    with pytest.raises(ConfigError, match="'n_embd' is missing"):
        config_from_hub(hub)
    with pytest.raises(ConfigError, match="n_layer: expected int"):
        config_from_hub(CONFIG.hub_config(VOCAB) | {"n_layer": [2]})
