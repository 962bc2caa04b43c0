"""From the checkpoint of a training run to a packed model directory."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pentanet import __version__
from pentanet.codes import Codes
from pentanet.data import tokenizer as tokenizers
from pentanet.data.dataset import TOKENIZER
from pentanet.errors import CheckpointError, MissingFileError
from pentanet.families import family_of
from pentanet.families.network import Network
from pentanet.families.tensor_table import has_own_head
from pentanet.format import layouts
from pentanet.format.card import model_card
from pentanet.format.model_dir import write_model
from pentanet.format.tensors import Coded, Plain, Tensor
from pentanet.nn import quantized_modules, set_progress
from pentanet.quant import method
from pentanet.quant.uniform import Cast
from pentanet.runtime.inspect import Inspection, inspect
from pentanet.training.checkpoint import CheckpointStore, set_weights
from pentanet.training.config import TrainConfig
from pentanet.training.loop import new_network
from pentanet.training.run import RECORD, read_config, read_data, read_record


def pack(
    run: str | Path,
    out: str | Path,
    *,
    layout: str | None = None,
    overwrite: bool = False,
    warn: Callable[[str], None] = lambda text: print(text, file=sys.stderr),
) -> Inspection:
    """Pack the newest checkpoint of a run.

    Args:
        run: the run directory.
        out: the model directory to write.
        layout: of the matrices under the weight method; the densest that fits by default.
        overwrite: replace a model directory that is there.
        warn: told about a damaged checkpoint that is skipped.

    Returns:
        What the directory holds.

    Raises:
        MissingFileError: no such run.
        CheckpointError: no usable checkpoint.
        UnpackableError: the layout does not hold the grid.
        WriteError: `out` is in use, or the disk is full.
    """
    run, out = Path(run), Path(out)
    if not (run / "config.toml").is_file():
        raise MissingFileError(run / "config.toml", "Not a training run; make one with: pentanet train")
    config, data = read_config(run), read_data(run)
    checkpoint = CheckpointStore(run / "checkpoints", config.keep, warn).newest()
    if checkpoint is None:
        raise CheckpointError(f"{run}: no checkpoint yet; 'pentanet train' continues the run")
    network = new_network(config, data["vocab"])
    set_weights(network, checkpoint)
    set_progress(network, checkpoint.step / config.steps)
    tensors = export_tensors(network, layout)
    write_model(
        out,
        config=_hub_config(config, data["vocab"], run),
        tensors=tensors,
        method=config.weights.method,
        activations=config.weights.used_activations,
        low_rank=method(config.weights.method).low_rank,
        tokenizer=(run / TOKENIZER).read_bytes(),
        card=model_card(_facts(config, data, run, checkpoint.step, tensors)),
        overwrite=overwrite,
    )
    return inspect(out)


def export_tensors(network: Network, layout: str | None = None) -> dict[str, Tensor]:
    """Every tensor of a network as it is stored, by its Hugging Face name.

    A head that shares both latent weight and storage with the embedding is stored once.
    """
    tensors: dict[str, Tensor] = {}
    modules = dict(quantized_modules(network))
    once = None if has_own_head(network.config) else family_of(network.config).head
    for name, module in modules.items():
        if name == once:
            continue
        exported = module.quantizer.export(module.weight)
        if isinstance(exported, Codes):
            chosen = layout if layout and module.by_method else layouts.densest_layout(exported)
            tensors[f"{name}.weight"] = Coded(exported, chosen)
        else:
            assert isinstance(module.quantizer, Cast)
            tensors[f"{name}.weight"] = Plain(exported, str(module.quantizer.dtype).removeprefix("torch."))
    for name, parameter in network.named_parameters():
        if name.rsplit(".", 1)[0] not in modules and ".quantizer." not in name:
            dtype = "bfloat16" if ".low_rank." in name and parameter.ndim == 2 else "float32"  # as training uses it
            tensors[name] = Plain(parameter.detach().cpu().float().numpy(), dtype)
    return tensors


def _hub_config(config: TrainConfig, vocab: int, run: Path) -> dict[str, Any]:
    tokenizer = tokenizers.load(run / TOKENIZER)
    ends = {"bos_token_id": tokenizers.bos_id(tokenizer), "eos_token_id": tokenizers.eos_id(tokenizer)}
    source = {"source": config.data.source, "eos": config.data.eos}
    return {**config.model.hub_config(vocab), **ends, "training_data": source}


def _facts(
    config: TrainConfig, data: dict[str, Any], run: Path, step: int, tensors: dict[str, Tensor]
) -> dict[str, Any]:
    """What the model card states: from the run record, or less if it is not of these weights."""
    chosen = method(config.weights.method)
    record = read_record(run) if step == config.steps and (run / RECORD).exists() else {}
    parameters = record.get("parameters")
    return {
        **{key: record.get(key) for key in ("parameters", "quantized_parameters", "val_loss", "bits_per_byte")},
        "name": f"{chosen.name} on {data['name']}",
        "language": "en" if data["name"].startswith(("bible", "wikitext")) else None,
        "method": chosen.name,
        "title": chosen.title,
        "grid": chosen.grid.name if chosen.grid else None,
        "data": data["name"],
        "steps": step,
        "tokens": step * config.batch.size * config.model.context,
        "seed": config.seed,
        "perplexity": math.exp(record["val_loss"]) if record else None,
        "context": config.model.context,
        "vocab": data["vocab"],
        "machine": record["machine"]["cpu"] if parameters else None,
        "version": __version__,
    }
