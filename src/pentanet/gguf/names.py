"""Networks of Llama's shape under llama.cpp's names.

Its `llama` rotates neighbours of a head, (2i, 2i+1), where Hugging Face rotates (i, i + E/2); so the rows of the query
and key projections are put in another order.  Its `qwen3` rotates as Hugging Face does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pentanet.codes import Codes
from pentanet.errors import ExportError
from pentanet.families import LlamaConfig
from pentanet.families.rope import LinearRope, Llama3Rope, PlainRope, rotary_table
from pentanet.format.packed_model import PackedModel
from pentanet.format.tensors import CodedSpec, TensorSpec

ARCHITECTURES: Mapping[str, str] = {"llama": "llama", "mistral": "llama", "qwen2": "qwen2", "qwen3": "qwen3"}


def architecture(packed: PackedModel, config: object) -> str:
    """llama.cpp's name of a network.

    Raises:
        ExportError: stock llama.cpp does not have it.
    """
    what = ""
    if not isinstance(config, LlamaConfig):
        what = "networks of GPT-2's shape are not exported"
    elif config.sub_norms:
        what = "norms before the output projections (train with --set model.sub_norms=false)"
    elif config.activation != "silu":
        what = f"the activation '{config.activation}' (train with --set model.activation=silu)"
    elif packed.low_rank != "none":
        what = "paths of low rank beside the linears"
    elif packed.activations not in ("none", "int8"):
        what = f"inputs that are rounded by learned steps or rotated ('{packed.activations}')"
    elif not isinstance(config.rope, (PlainRope, LinearRope, Llama3Rope)):
        what = f"rotary positions of the kind '{config.rope.rope_type}' are not exported"
    if what or not isinstance(config, LlamaConfig):
        raise ExportError(f"{packed.path}: stock llama.cpp does not run this network: {what}")
    found = ARCHITECTURES[config.model_type]
    for name, spec in packed.specs.items():
        _check_matrix(packed, name, spec, found)
    return found


def _check_matrix(packed: PackedModel, name: str, spec: TensorSpec, found: str) -> None:
    if not isinstance(spec, CodedSpec):
        return
    if spec.bias and (found == "qwen3" or ".layers." not in name):
        raise ExportError(f"{packed.path}: stock llama.cpp does not run this network: a bias of '{name}'")
    if spec.planes > 1:
        raise ExportError(f"{packed.path}: stock llama.cpp adds no matrices up: '{name}' has {spec.planes} planes")


def describe(writer: Any, config: LlamaConfig, vocab: int, package: Any) -> None:
    """Add the sizes of a network to a gguf.GGUFWriter."""
    writer.add_vocab_size(vocab)
    # llama.cpp sees all tokens where Mistral sees a window of them: the two agree as far as the window goes.
    writer.add_context_length(min(config.context, config.window or config.context))
    writer.add_embedding_length(config.width)
    writer.add_block_count(config.layers)
    writer.add_feed_forward_length(config.hidden)
    writer.add_head_count(config.heads)
    writer.add_head_count_kv(config.kv_heads)
    writer.add_key_length(config.head_width)
    writer.add_value_length(config.head_width)
    writer.add_rope_dimension_count(config.head_width)
    writer.add_rope_freq_base(config.rope_theta)
    writer.add_layer_norm_rms_eps(config.norm_eps)
    if isinstance(config.rope, LinearRope):
        writer.add_rope_scaling_type(package.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(config.rope.factor)


def rope_factors(config: LlamaConfig) -> NDArray[np.float32] | None:
    """What llama.cpp divides each rotary frequency by [E / 2], in a tensor of its own for Llama 3; None elsewhere."""
    if not isinstance(config.rope, Llama3Rope):
        return None

    def angle(rope: PlainRope | Llama3Rope) -> NDArray[np.float32]:
        cosines, sines = rotary_table(2, config.head_width, config.rope_theta, rope)
        return np.arctan2(sines[1], cosines[1])  # below one turn of pi: the first is 1 radian

    return (angle(PlainRope()) / angle(config.rope)).astype(np.float32)


def heads_to_permute(name: str, config: LlamaConfig, arch: str) -> int:
    """Number of heads in the rows of this tensor that must change their order, 0 for none."""
    if arch != "llama":
        return 0
    if name.endswith("self_attn.q_proj.weight"):
        return config.heads
    return config.kv_heads if name.endswith("self_attn.k_proj.weight") else 0


def row_order(rows: int, heads: int) -> NDArray[np.intp]:
    """Row of ours at each row of llama.cpp's: of a head, i and i + E/2 become neighbours."""
    return np.arange(rows).reshape(heads, 2, rows // heads // 2).swapaxes(1, 2).reshape(-1)


def permute(codes: Codes, order: NDArray[np.intp]) -> Codes:
    """The rows of a matrix in another order, with what belongs to them."""
    scales = codes.scales if len(codes.scales) == 1 and len(order) > 1 else codes.scales[order]
    return Codes(codes.levels[order], scales, codes.grid, None if codes.bias is None else codes.bias[order])
