"""What a decoder network is, as plain data: the torch network, the table of tensors and the native engine read it.

A family turns its own sizes into a `Decoder`.  The options do not depend on each other, and none asks for a family.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from pentanet.families.family import ModelConfig
from pentanet.families.rope import Rotary

EMBEDDING, TRUNK, LAST_NORM, HEAD = "model.embed_tokens", "model.layers", "model.norm", "lm_head"
"""Names of modules, alike in all of these networks."""
Activation = Literal["silu", "relu2", "gelu", "gelu_tanh"]


@dataclass(frozen=True, kw_only=True, slots=True)
class BlockNames:
    """What the modules of a block are called; a norm without a name is not there.

    Attributes:
        before_attention, after_attention: norms of what attention reads, and of what it adds to the residual stream.
        before_mlp, after_mlp: the same of the MLP.
        fused: whether queries, keys and values are one matrix, and the gate and what it multiplies another.
    """

    before_attention: str = "input_layernorm"
    after_attention: str = ""
    before_mlp: str = "post_attention_layernorm"
    after_mlp: str = ""
    fused: bool = False

    @property
    def into_attention(self) -> tuple[str, ...]:
        """The matrices that make queries, keys and values."""
        return ("qkv_proj",) if self.fused else ("q_proj", "k_proj", "v_proj")

    @property
    def into_mlp(self) -> tuple[str, ...]:
        """The matrices that make the gate and what it multiplies."""
        return ("gate_up_proj",) if self.fused else ("gate_proj", "up_proj")


@dataclass(frozen=True, kw_only=True, slots=True)
class LayerAttention:
    """How the attention of one layer sees.

    Attributes:
        window: tokens that one sees, itself included; 0 for all before it.
        rotary: what turns queries and keys; None where positions are not told.
    """

    window: int = 0
    rotary: Rotary | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Decoder:
    """A network of blocks with attention and a gated MLP.

    Attributes:
        width: of the residual stream, D.
        heads, kv_heads: of queries; of keys and values.
        head_width: of each head.
        hidden: inner width of the MLP.
        context: longest window in tokens.
        attention: of each layer.
        names: of the modules of a block.
        activation: of the gate.
        tie: whether the embedding is the head too.
        norm_eps: added to the mean square in every norm.
        norm_offset: added to the gain of every norm.
        learned_gains: whether the norms over D of the blocks are trained.
        sub_norms: whether norms stand before the output projections of attention and MLP.
        qk_norm: whether queries and keys have a norm: over each head, or over all heads together.
        attention_bias: which linears of attention have biases.
        mlp_bias: whether those of the MLP have.
        embedding_scale: factor of the embedding,
        residual_scale: of what is added to the residual stream,
        score_scale: of attention's scores; 0 for 1 / sqrt(head_width),
        logit_scale: and of logits.
        score_cap: what scores go towards, cap * tanh(score / cap); 0 leaves them.
        logit_cap: the same of logits.
    """

    width: int
    heads: int
    kv_heads: int
    head_width: int
    hidden: int
    context: int
    attention: tuple[LayerAttention, ...]
    names: BlockNames = BlockNames()
    activation: Activation = "silu"
    tie: bool
    norm_eps: float
    norm_offset: float = 0.0
    learned_gains: bool = True
    sub_norms: bool = False
    qk_norm: Literal["none", "head", "all"] = "none"
    attention_bias: Literal["none", "qkv", "all"] = "none"
    mlp_bias: bool = False
    embedding_scale: float = 1.0
    residual_scale: float = 1.0
    score_scale: float = 0.0
    logit_scale: float = 1.0
    score_cap: float = 0.0
    logit_cap: float = 0.0

    @property
    def layers(self) -> int:
        """Number of blocks."""
        return len(self.attention)

    @property
    def qkv_widths(self) -> tuple[int, int, int]:
        """Numbers of queries, keys and values that a token has."""
        keys = self.kv_heads * self.head_width
        return self.heads * self.head_width, keys, keys

    @property
    def qk_norm_widths(self) -> tuple[int, int]:
        """Over how many numbers the norms of queries and of keys go."""
        whole = self.qk_norm == "all"
        return self.qkv_widths[:2] if whole else (self.head_width, self.head_width)


class DecoderConfig(ModelConfig, Protocol):
    """Sizes of a family whose networks are decoders."""

    @property
    def decoder(self) -> Decoder:
        """The network."""
        ...
