"""How a calibration goes through the blocks of a family, and what the matrices of a block see on the way."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from pentanet.errors import TokenizerMismatchError, UnsupportedArchitectureError
from pentanet.families import GPT2Config, LlamaConfig
from pentanet.families.gpt2 import network as gpt2
from pentanet.families.llama import network as llama
from pentanet.families.rotary import rotary_tensors
from pentanet.sources.float_network import FloatWeights
from pentanet.sources.source import Source

ADDED = (1, 3)  # stages, of one matrix each


class Walk(ABC):
    """Blocks of a source, with their weights as they came.

    Attributes:
        stages: matrices of a block that share their inputs, in the order of the network: into attention and out of it,
            into the MLP and out of it. What goes out is added to the residual stream (`ADDED`).
        parts: of a block, in pairs: a norm and what reads it, attention and then the MLP.
        trunk: name of the list of blocks.
        beside: what attention takes beside its inputs.
    """

    stages: ClassVar[tuple[tuple[str, ...], ...]]
    parts: ClassVar[tuple[tuple[str, str], ...]]
    trunk: ClassVar[str]

    def __init__(self, source: Source, beside: tuple[Tensor | None, ...] = ()) -> None:
        self.source, self.beside = source, beside

    @abstractmethod
    def embed(self, ids_BT: Tensor) -> Tensor:
        """What goes into the first block [B, T, D]; only the embeddings in use are in memory."""

    @abstractmethod
    def empty(self) -> nn.Module:
        """A block without its weights."""

    def inputs(self, block: nn.Module, stage: int, x_BTD: Tensor) -> Tensor:
        """What the matrices of a stage see; one whose outputs are added must have been replaced by an identity."""
        norm, reader = self.parts[stage // 2]
        x: Tensor = block.get_submodule(norm)(x_BTD)
        if stage not in ADDED:
            return x
        more = self.beside if stage == ADDED[0] else ()
        found: Tensor = block.get_submodule(reader)(x, *more)
        return found

    @torch.no_grad()
    def block(self, layer: int) -> nn.Module:
        """A block of the original."""
        block = self.empty().eval()
        for name, parameter in block.named_parameters():
            parameter.copy_(self.source.tensor(f"{self.trunk}.{layer}.{name}"))
        return block

    def _look_up(self, name: str, ids_BT: Tensor) -> Tensor:
        ids, places = np.unique(ids_BT.numpy(), return_inverse=True)
        used: list[int] = ids.tolist()
        if used[-1] >= self.source.vocab:
            raise TokenizerMismatchError(
                f"{self.source.path}: the text has token {used[-1]}, the model {self.source.vocab}"
            )
        rows = [self.source.rows(name, i, i + 1) for i in used]
        return torch.cat(rows)[torch.from_numpy(places.reshape(ids_BT.shape))]


class LlamaWalk(Walk):
    """Llama and its relatives."""

    stages = (
        ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
        ("self_attn.o_proj",),
        ("mlp.gate_proj", "mlp.up_proj"),
        ("mlp.down_proj",),
    )
    parts = (("input_layernorm", "self_attn"), ("post_attention_layernorm", "mlp"))
    trunk = "model.layers"

    def __init__(self, source: Source, config: LlamaConfig, tokens: int) -> None:
        cos, sin = rotary_tensors(config)
        seen = 0 < config.window < tokens
        mask = llama.window_mask(tokens, config.window, torch.device("cpu")) if seen else None
        super().__init__(source, (cos[:tokens], sin[:tokens], mask))
        self._config = config

    def embed(self, ids_BT: Tensor) -> Tensor:
        return self._look_up("model.embed_tokens.weight", ids_BT)

    def empty(self) -> nn.Module:
        return llama.Block(self._config, FloatWeights())


class GPT2Walk(Walk):
    """GPT-2."""

    stages = (("attn.c_attn",), ("attn.c_proj",), ("mlp.c_fc",), ("mlp.c_proj",))
    parts = (("ln_1", "attn"), ("ln_2", "mlp"))
    trunk = "transformer.h"

    def __init__(self, source: Source, config: GPT2Config) -> None:
        super().__init__(source)
        self._config = config

    def embed(self, ids_BT: Tensor) -> Tensor:
        places = self.source.rows("transformer.wpe.weight", 0, ids_BT.shape[1])
        return self._look_up("transformer.wte.weight", ids_BT) + places

    def empty(self) -> nn.Module:
        return gpt2.Block(self._config, FloatWeights())


def walk(source: Source, tokens: int) -> Walk:
    """The way through a source, for windows of so many tokens.

    Raises:
        UnsupportedArchitectureError: a shape that none is known for.
    """
    config = source.config
    if isinstance(config, LlamaConfig):
        return LlamaWalk(source, config, tokens)
    if isinstance(config, GPT2Config):
        return GPT2Walk(source, config)
    raise UnsupportedArchitectureError(f"{source.path}: calibrated methods do not know this shape; use rtn")
