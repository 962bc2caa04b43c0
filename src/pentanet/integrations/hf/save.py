"""`save_pretrained` of a model that we loaded: the same model directory that `pentanet pack` writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from pentanet.errors import ModelConfigError
from pentanet.format import layouts
from pentanet.format.model_dir import write_into
from pentanet.format.tensors import Coded, Plain, Tensor
from pentanet.integrations.hf.config import PentaNetConfig
from pentanet.integrations.hf.modules import LatentLinear, PackedWeight

_GENERATION = "generation_config.json"


def save_pretrained(model: Any, save_directory: str | Path, is_main_process: bool = True, **ignored: Any) -> None:
    """Write config.json and model.safetensors, and generation_config.json where the model has one.

    A latent weight is packed.  Shards, and the other options of transformers, are ignored: the format is one file.

    Raises:
        ModelConfigError: `push_to_hub`, which is not done here.
        WriteError: the disk does not take it.
    """
    if ignored.get("push_to_hub"):
        raise ModelConfigError("push_to_hub: save to a directory, then upload it with huggingface_hub.upload_folder")
    if not is_main_process:
        return
    quantization: PentaNetConfig = model.config.quantization_config
    config = model.config.to_dict()
    config.pop("quantization_config", None)
    config["architectures"] = [type(model).__name__]
    out = Path(save_directory)
    write_into(
        out,
        config=config,
        tensors=stored_tensors(model),
        method=quantization.method,
        activations=quantization.activations,
        low_rank=quantization.low_rank,
    )
    if model.can_generate():
        model.generation_config.save_pretrained(out)


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
