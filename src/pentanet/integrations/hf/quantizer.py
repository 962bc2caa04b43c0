"""What transformers asks of a quantization method while it loads a model."""

from __future__ import annotations

from pathlib import Path
from types import MethodType
from typing import Any

import torch
from torch import nn
from transformers.pytorch_utils import Conv1D
from transformers.quantizers.base import HfQuantizer

from pentanet.errors import ModelConfigError
from pentanet.format import layouts
from pentanet.format.model_dir import open_model
from pentanet.format.packed_model import TENSORS
from pentanet.format.tensors import Coded, CodedSpec, spec_from_json
from pentanet.integrations.hf.choose import choose
from pentanet.integrations.hf.config import PentaNetConfig
from pentanet.integrations.hf.counts import num_parameters, resize_token_embeddings
from pentanet.integrations.hf.modules import LatentLinear, PackedEmbedding, PackedLinear, PackedWeight, TiedHead
from pentanet.integrations.hf.save import save_pretrained
from pentanet.nn import set_progress
from pentanet.quant import quantizer


class PentaNetQuantizer(HfQuantizer):
    """Puts packed or latent modules in the place of linears, before their weights come."""

    quantization_config: PentaNetConfig  # pyright: ignore[reportIncompatibleVariableOverride]

    def _process_model_before_weight_loading(self, model: Any, **kwargs: Any) -> None:
        config = self.quantization_config
        if config.tensors is None:  # a float model, or one of latent weights that was saved to go on with
            skip: Any = self.get_modules_to_not_convert(
                model, config.modules_to_not_convert, model._keep_in_fp32_modules
            )
            place_latent(model, config, skip)
        else:
            check_files(kwargs.get("checkpoint_files"))
            place_packed(model, config)
            model._keys_to_ignore_on_load_unexpected = {
                *(model._keys_to_ignore_on_load_unexpected or ()),
                r"^__pad_\d+$",
            }

    def _process_model_after_weight_loading(self, model: Any, **kwargs: Any) -> Any:
        set_progress(model, 1.0)
        if self.quantization_config.tensors is None and not self.quantization_config.trainable:
            pack_latent(model)
        for name, module in model.named_modules():
            if isinstance(module, PackedWeight):
                module.unpack(f"{name}.weight")
        for method in (save_pretrained, num_parameters, resize_token_embeddings):
            setattr(model, method.__name__, MethodType(method, model))
        return model

    def is_serializable(self) -> bool:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Saving writes a model directory."""
        return True

    @property
    def is_trainable(self) -> bool:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Latent weights are there."""
        return self.quantization_config.trainable

    @property
    def is_qat_trainable(self) -> bool:
        """Gradients go through the quantizer."""
        return self.quantization_config.trainable

    @property
    def is_compileable(self) -> bool:
        """All of it is plain torch."""
        return True


def check_files(files: list[str] | None) -> None:
    """Check a model directory as `pentanet` does, checksums too: transformers reads its files by itself.

    Args:
        files: that the weights are read from; None where they come from memory.

    Raises:
        FormatError: see `open_model`.
        ModelConfigError: other files of weights than a model directory has.
    """
    for file in map(Path, files or ()):
        if file.name != TENSORS:
            raise ModelConfigError(f"{file}: the weights of a packed model are in {TENSORS}, and in no other file")
        open_model(file.parent)


def place_packed(model: Any, config: PentaNetConfig) -> None:
    """Empty packed modules for every coded tensor of a config.json.

    Raises:
        ModelConfigError: tensors that have no place in this model.
    """
    for name, described in (config.tensors or {}).items():
        spec = spec_from_json(name, described, "config.json")
        if not isinstance(spec, CodedSpec):
            continue
        path, old = _place(model, name.removesuffix(".weight"))
        if old is None and model.get_output_embeddings() is None and not path.startswith(model.base_model_prefix):
            continue  # the head, of which a trunk, or a network with another one, has no use
        if isinstance(old, nn.Linear | Conv1D):
            inner = old is not model.get_output_embeddings()
            activations = config.activations if inner or config.activations == "int8" else "none"
            new = PackedLinear(spec, activations, config.low_rank if inner else "none")
        elif isinstance(old, nn.Embedding):
            new = PackedEmbedding(spec)
        else:
            raise ModelConfigError(f"config.json: tensor '{name}' has no place in {type(model).__name__}")
        model.set_submodule(path, new.to(device="meta"))
    _tie(model, config)


def _place(model: Any, path: str) -> tuple[str, nn.Module | None]:
    """Where a network has a module of a file; a trunk by itself lacks the first part of every name."""
    for name in (path, path.removeprefix(f"{model.base_model_prefix}.")):
        try:
            return name, model.get_submodule(name)
        except AttributeError:
            continue
    return path, None


def _tie(model: Any, config: PentaNetConfig) -> None:
    """Let a packed embedding be the head, where the file has one of the two."""
    embedding, head = model.get_input_embeddings(), model.get_output_embeddings()
    if isinstance(embedding, PackedEmbedding) and isinstance(head, nn.Linear) and model.config.tie_word_embeddings:
        model.set_output_embeddings(TiedHead(embedding, config.activations))
        model._tied_weights_keys = {}
        model.all_tied_weights_keys = {}


def place_latent(model: Any, config: PentaNetConfig, skip: list[str]) -> None:
    """A quantizer behind each linear, whose weight keeps its name.

    Raises:
        ModelConfigError, SmallShareError: see `choose`.
    """
    asked = config.modules_to_not_convert or []
    choice = choose(model, skip, asked=asked, min_share=config.min_share)
    for name, module in choice.linears.items():
        model.set_submodule(name, LatentLinear(module, quantizer(config.method), config.activations))


@torch.no_grad()
def pack_latent(model: Any) -> None:
    """Replace latent weights by packed ones, one at a time."""
    for name, module in list(model.named_modules()):
        if isinstance(module, LatentLinear):
            codes = module.codes()
            spec = Coded(codes, layouts.densest_layout(codes)).spec
            kind = "int8" if module.inputs is not None else "none"
            packed = PackedLinear(spec, kind).to(module.weight.device)
            packed.take(codes)
            model.set_submodule(name, packed)
