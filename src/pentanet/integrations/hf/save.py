"""`save_pretrained` of a model that we loaded: the same model directory that `pentanet pack` writes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from pentanet.errors import ModelConfigError
from pentanet.format import layouts
from pentanet.format.model_dir import write_into
from pentanet.format.tensors import Coded, Plain, Tensor
from pentanet.integrations.hf.config import PentaNetConfig
from pentanet.integrations.hf.modules import LatentLinear, PackedWeight

_CHECKPOINT = re.compile(rf"{PREFIX_CHECKPOINT_DIR}-\d+")


def save_pretrained(
    model: Any,
    save_directory: str | Path,
    is_main_process: bool = True,
    *,
    latent: bool | None = None,
    **ignored: Any,
) -> None:
    """Write generation_config.json where the model has one, config.json and model.safetensors.

    A latent weight is packed.  Shards, and the other options of transformers, are ignored: the format is one file.
    The seal covers what is written here, and the files of a tokenizer that are there already; those that
    `save_pretrained` of a tokenizer adds later it does not.

    Args:
        model: the model.
        save_directory: where to.
        is_main_process: write at all.
        latent: keep latent weights, for training to go on with, as transformers saves any model; None for what Trainer
            names checkpoint-N, which it resumes from.  `pentanet` reads packed models only.
        ignored: other options of transformers; with `latent` they are obeyed.

    Raises:
        ModelConfigError: `push_to_hub`, which is not done here.
        WriteError: the disk does not take it.
    """
    if ignored.get("push_to_hub"):
        raise ModelConfigError("push_to_hub: save to a directory, then upload it with huggingface_hub.upload_folder")
    quantization: PentaNetConfig = model.config.quantization_config
    trainable = any(isinstance(module, LatentLinear) for module in model.modules())
    if latent is None:
        latent = _CHECKPOINT.fullmatch(Path(save_directory).name) is not None
    if latent and trainable:
        type(model).save_pretrained(model, save_directory, is_main_process=is_main_process, **ignored)
        return
    if not is_main_process:
        return
    config = model.config.to_dict()
    for key in ("quantization_config", "_name_or_path"):  # ours is written anew; where it was loaded from is private
        config.pop(key, None)
    config["architectures"] = [type(model).__name__]
    out, tensors = Path(save_directory), stored_tensors(model)
    if model.can_generate():
        model.generation_config.save_pretrained(out)  # first: the seal in model.safetensors covers it
    write_into(
        out,
        config=config,
        tensors=tensors,
        method=quantization.method,
        activations=quantization.activations,
        low_rank=quantization.low_rank,
    )


@torch.no_grad()
def stored_tensors(model: Any) -> dict[str, Tensor]:
    """Every tensor as the file holds it, in the order of the file that it came from, if it came from one."""
    known: dict[str, dict[str, Any]] = model.config.quantization_config.tensors or {}
    found: dict[str, Tensor] = {}
    inside: set[str] = set()
    for path, module in model.named_modules():
        name = f"{path}.weight"
        if isinstance(module, PackedWeight):
            found[name] = Coded(module.codes(name), module.spec.layout)
        elif isinstance(module, LatentLinear):
            codes = module.codes()
            found[name] = Coded(codes, layouts.densest_layout(codes))
            inside |= {name, f"{path}.bias"}
    for name, parameter in model.named_parameters():
        if name not in inside:
            usual = "bfloat16" if parameter.dtype == torch.bfloat16 else "float32"
            stored = known.get(name, {}).get("storage", usual)
            found[name] = Plain(parameter.detach().float().cpu().numpy(), stored)
    order = {name: i for i, name in enumerate(known)}
    return dict(sorted(found.items(), key=lambda item: order.get(item[0], len(order))))
