"""Each option of a decoder: the native engine computes what torch does, from plain float32 weights."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from pentanet.families.decoder.native import native_model
from pentanet.families.decoder.network import DecoderNetwork
from pentanet.families.decoder.shape import BlockNames, Decoder, LayerAttention
from pentanet.families.rope import LinearRope, PlainRope, Rotary
from pentanet.sources.float_network import FloatWeights

_native = pytest.importorskip("pentanet._native")

VOCAB, TOKENS = 50, 40
IDS = np.random.default_rng(0).integers(VOCAB, size=TOKENS, dtype=np.int32)
PLAIN = Rotary(width=8, theta=10_000.0, rope=PlainRope())
HALF = replace(PLAIN, width=4)
FAR = Rotary(width=8, theta=500.0, rope=LinearRope(factor=2.0))
ALIKE = (LayerAttention(rotary=PLAIN),) * 3
SMALL = Decoder(
    width=24, heads=4, kv_heads=2, head_width=8, hidden=40, context=64, attention=ALIKE, tie=False, norm_eps=1e-5
)
OPTIONS: dict[str, dict[str, Any]] = {
    "none": {},
    "post norms": {"names": BlockNames(after_attention="a", before_mlp="b", after_mlp="c")},
    "post norms alone": {"names": BlockNames(before_attention="", after_attention="a", before_mlp="", after_mlp="c")},
    "fused": {"names": BlockNames(fused=True)},
    "offset": {"norm_offset": 1.0, "qk_norm": "head"},
    "norms of all heads": {"qk_norm": "all"},
    "sub-norms": {"sub_norms": True},
    "gelu": {"activation": "gelu_tanh"},
    "exact gelu": {"activation": "gelu"},
    "embedding": {"embedding_scale": 24**0.5},
    "residual": {"residual_scale": 0.22},
    "scores": {"score_scale": 0.05},
    "logits": {"logit_scale": 1 / 13},
    "caps": {"score_cap": 2.0, "logit_cap": 3.0},
    "cap and window": {"score_cap": 1.0, "attention": (LayerAttention(window=5, rotary=PLAIN),) * 3},
    "without positions": {"attention": (*ALIKE[:2], LayerAttention(rotary=None))},
    "without any positions": {"attention": (LayerAttention(rotary=None),) * 3},
    "two bases": {"attention": (LayerAttention(window=7, rotary=PLAIN), LayerAttention(rotary=FAR), *ALIKE[:1])},
    "a part of each head": {"attention": (LayerAttention(rotary=HALF),) * 3},
}


@dataclass(frozen=True, kw_only=True)
class Sizes:
    decoder: Decoder


class Parts:
    """The weights of a torch network as the engine takes them."""

    isa = ""

    def __init__(self, network: torch.nn.Module) -> None:
        self._weights = {name: p.detach().numpy() for name, p in network.named_parameters()}

    def vector(self, name: str) -> NDArray[np.float32]:
        return self._weights[f"{name}.weight"]

    def matrix(self, name: str, *, whole: bool = True) -> Any:
        values = self._weights[f"{name}.weight"]
        rows, cols = values.shape
        return _native.Matrix.plain(values.view(np.uint8).reshape(-1), dtype="float32", rows=rows, cols=cols)


def network(decoder: Decoder) -> DecoderNetwork[Any]:
    made = DecoderNetwork(cast("Any", Sizes(decoder=decoder)), VOCAB, FloatWeights()).eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in made.parameters():
            if parameter.ndim == 1:
                parameter.uniform_(0.5, 1.5, generator=generator).sub_(decoder.norm_offset)
            else:
                parameter.normal_(0, parameter.shape[1] ** -0.5, generator=generator)
    return made


def logits(made: DecoderNetwork[Any]) -> NDArray[Any]:
    with torch.inference_mode():
        return made(torch.from_numpy(IDS)[None].long())[0].numpy()


def engine(made: DecoderNetwork[Any], parts: list[int], threads: int = 1, cache: str = "float32") -> NDArray[Any]:
    """Logits [T, vocab] of a text that comes in so many tokens at a time."""
    model = native_model(cast("Any", Parts(made)), made.config)
    session = _native.Session(model, threads=threads, cache=cache)
    found, done = [], 0
    for count in parts:
        found.append(session.forward(IDS[done : done + count], [(0, count)], every=True))
        done += count
    return np.concatenate(found)


@pytest.mark.parametrize("name", OPTIONS)
def test_the_engine_is_torch(name: str) -> None:
    made = network(replace(SMALL, **OPTIONS[name]))
    found = engine(made, [TOKENS])
    np.testing.assert_allclose(found, logits(made), rtol=1e-5, atol=1e-5)
    for cut, threads in (([1] * TOKENS, 1), ([7, 33], 3)):
        assert np.array_equal(engine(made, cut, threads), found)


def test_each_option_does_something() -> None:
    plain = network(SMALL)
    shapes = {name: p.shape for name, p in plain.named_parameters()}
    for name, options in OPTIONS.items():
        made = network(replace(SMALL, **options))
        alike = {name: p.shape for name, p in made.named_parameters()} == shapes  # and so the weights are
        assert not options or not alike or abs(logits(made) - logits(plain)).max() > 1e-2, name


@pytest.mark.parametrize("name", ["caps", "cap and window", "two bases", "scores"])
def test_smaller_caches_stay_near(name: str) -> None:
    made = network(replace(SMALL, **OPTIONS[name]))
    exact = engine(made, [TOKENS])
    for cache in ("float16", "bfloat16", "int8"):
        found = engine(made, [TOKENS], cache=cache)
        assert not np.array_equal(found, exact)
        np.testing.assert_allclose(found, exact, atol=0.3)
        assert np.array_equal(engine(made, [3, 37], 2, cache), found)
