"""A .gguf file of a Llama-like model as a source: any types of blocks that the package gguf can turn into floats.

llama.cpp rotates neighbouring pairs of a head where Hugging Face rotates halves, so that files of architecture `llama`
hold the rows of q and k in another order; they are put back here.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pentanet.errors import (
    HeaderError,
    MissingExtraError,
    MissingFileError,
    ModelConfigError,
    UnsupportedArchitectureError,
)
from pentanet.sources.gguf_tokenizer import tokenizer_files
from pentanet.sources.source import Source, to_float

ARCHITECTURES: Mapping[str, str] = MappingProxyType(
    {"llama": "LlamaForCausalLM", "qwen2": "Qwen2ForCausalLM", "qwen3": "Qwen3ForCausalLM"}
)
_BLOCK: Mapping[str, str] = MappingProxyType(
    {
        "attn_norm": "input_layernorm",
        "attn_q": "self_attn.q_proj",
        "attn_k": "self_attn.k_proj",
        "attn_v": "self_attn.v_proj",
        "attn_output": "self_attn.o_proj",
        "attn_q_norm": "self_attn.q_norm",
        "attn_k_norm": "self_attn.k_norm",
        "ffn_norm": "post_attention_layernorm",
        "ffn_gate": "mlp.gate_proj",
        "ffn_up": "mlp.up_proj",
        "ffn_down": "mlp.down_proj",
    }
)
_OUTER: Mapping[str, str] = MappingProxyType(
    {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}
)
_CONSTANTS = ("rope_freqs.weight",)


class GgufSource(Source):
    """A GGUF file.

    Raises:
        MissingExtraError: the package gguf is not installed.
        MissingFileError: no such file.
        HeaderError: not a GGUF file, or one that ends too early.
        UnsupportedArchitectureError: an architecture or a tokenizer that is not known.
        ModelConfigError: a key that is missing.
        ShapeError, MissingTensorError, UnexpectedTensorError: see `Source`.
    """

    def __init__(self, path: Path) -> None:
        self._gguf = _package()
        tensors, fields = self._open(path)
        self._tensors: dict[str, Any] = {}
        shapes: dict[str, tuple[int, ...]] = {}
        for tensor in tensors:
            if tensor.name not in _CONSTANTS:
                name = _hub_name(tensor.name, path)
                self._tensors[name] = tensor
                shapes[name] = tuple(int(n) for n in reversed(tensor.shape))
        config = _hub_config(fields, shapes, path)
        self._heads = {"q_proj": config["num_attention_heads"], "k_proj": config["num_key_value_heads"]}
        self._permuted = fields["general.architecture"] == "llama"
        super().__init__(path, config, tokenizer_files(fields, str(path)), shapes)

    def rows(self, name: str, start: int, stop: int) -> Tensor:
        tensor, shape = self._tensors[name], self.shapes[name]
        data: NDArray[Any] = tensor.data if len(shape) > 1 else tensor.data.reshape(1, -1)
        if len(shape) > 1:
            heads = self._heads.get(name.split(".")[-2]) if self._permuted else None
            data = data[_unpermuted(shape[0], heads)[start:stop]] if heads else data[start:stop]
        try:
            values = self._gguf.quants.dequantize(data, tensor.tensor_type)
        except (NotImplementedError, ValueError) as error:
            kind = getattr(tensor.tensor_type, "name", tensor.tensor_type)
            raise HeaderError(f"{self.path}: tensor '{tensor.name}' of type {kind} cannot be read: {error}") from None
        found = torch.from_numpy(np.array(values, np.float32))
        found = found.reshape(-1, *shape[1:]) if len(shape) > 1 else found.reshape(-1)[start:stop]
        return to_float(found, f"{self.path}: tensor '{tensor.name}'")

    def weight_files(self) -> list[Path]:
        return [self.path]

    def _open(self, path: Path) -> tuple[list[Any], dict[str, Any]]:
        """The tensors, and the metadata by name."""
        if not path.is_file():
            raise MissingFileError(path, "Check the name.")
        try:
            reader = self._gguf.GGUFReader(str(path))
            fields = {name: field.contents() for name, field in reader.fields.items() if not name.startswith("GGUF.")}
        except Exception as error:  # whatever parsing it ran into: the package checks little
            raise HeaderError(f"{path}: not a whole GGUF file ({error}). Copy or download it again.") from None
        return reader.tensors, fields


def _package() -> Any:
    try:
        return importlib.import_module("gguf")
    except ModuleNotFoundError:
        raise MissingExtraError("gguf", "gguf", "reading a .gguf file") from None


def _hub_name(name: str, path: Path) -> str:
    parts = name.split(".")
    if len(parts) == 2 and parts[0] in _OUTER:
        return f"{_OUTER[parts[0]]}.{parts[1]}"
    if len(parts) == 4 and parts[0] == "blk" and parts[2] in _BLOCK:
        return f"model.layers.{parts[1]}.{_BLOCK[parts[2]]}.{parts[3]}"
    raise UnsupportedArchitectureError(f"{path}: tensor '{name}' is of no network that is supported")


def _hub_config(fields: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]], path: Path) -> dict[str, Any]:
    kind = str(fields.get("general.architecture"))
    if kind not in ARCHITECTURES:
        raise UnsupportedArchitectureError(
            f"{path}: architecture '{kind:.40}' is not supported. Supported: {', '.join(ARCHITECTURES)}."
        )

    def value(key: str) -> Any:
        if f"{kind}.{key}" not in fields:
            raise ModelConfigError(f"{path}: key '{kind}.{key}' is missing")
        return fields[f"{kind}.{key}"]

    if fields.get(f"{kind}.rope.scaling.type", "none") != "none" or "rope_freqs.weight" in shapes:
        raise UnsupportedArchitectureError(f"{path}: stretched rotary positions are not read from GGUF")
    heads = value("attention.head_count")
    head_dim = fields.get(f"{kind}.attention.key_length", value("embedding_length") // max(heads, 1))
    tokens = fields.get("tokenizer.ggml.tokens", ())
    return {
        "architectures": [ARCHITECTURES[kind]],
        "model_type": kind,
        "vocab_size": shapes.get("model.embed_tokens.weight", (len(tokens),))[0],
        "hidden_size": value("embedding_length"),
        "intermediate_size": value("feed_forward_length"),
        "num_hidden_layers": value("block_count"),
        "num_attention_heads": heads,
        "num_key_value_heads": fields.get(f"{kind}.attention.head_count_kv", heads),
        "head_dim": head_dim,
        "max_position_embeddings": value("context_length"),
        "hidden_act": "silu",
        # Stored in float32, and meant as the decimal fraction nearest to it.
        "rms_norm_eps": float(f"{value('attention.layer_norm_rms_epsilon'):.6g}"),
        "rope_theta": float(fields.get(f"{kind}.rope.freq_base", 10_000.0)),
        "tie_word_embeddings": "lm_head.weight" not in shapes,
        "attention_bias": False,
        "bos_token_id": fields.get("tokenizer.ggml.bos_token_id"),
        "eos_token_id": fields.get("tokenizer.ggml.eos_token_id"),
    }


def _unpermuted(rows: int, heads: int) -> NDArray[np.int64]:
    """Where in the file each row of Hugging Face's order lies."""
    return np.arange(rows).reshape(heads, rows // heads // 2, 2).swapaxes(1, 2).reshape(-1)
