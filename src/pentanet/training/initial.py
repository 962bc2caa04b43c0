"""The weights that a run starts from, where they are not drawn: those of another run, or of a packed model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from pentanet.data import tokenizer
from pentanet.data.dataset import TOKENIZER, Dataset
from pentanet.errors import CheckpointError, ConfigError
from pentanet.families import family_of
from pentanet.families.network import Network
from pentanet.families.tensor_table import has_own_head
from pentanet.format.model_dir import open_model
from pentanet.nn import initialize_quantizers, learned_steps
from pentanet.runtime.load import load
from pentanet.runtime.modules import PackedMatrix
from pentanet.training.checkpoint import CheckpointStore


@torch.no_grad()
def start_from(path: Path, network: Network, dataset: Dataset, warn: Callable[[str], None]) -> None:
    """Give a new network the weights of another one; optimizer, schedule and batches begin anew.

    A run gives its latent weights, and its learned steps where the method has the same; a packed model gives the
    weights that it multiplies by.

    Args:
        path: a run directory, or a packed model directory.
        network: as it was drawn.
        dataset: tokens of the run, which must be of the same tokenizer.
        warn: told about a damaged checkpoint that is skipped.

    Raises:
        ConfigError: another network, or a model whose stored weights are rotated.
        CheckpointError: a run without a checkpoint.
        TokenizerMismatchError: another tokenizer.
        FormatError, MissingFileError: neither a run nor a packed model; names what it is.
    """
    is_run = (path / "config.toml").is_file()
    found = _of_run(path, warn) if is_run else _of_model(path)
    dataset.require_tokenizer(tokenizer.load(path / TOKENIZER), f"init = '{path}'")
    steps = {id(parameter) for parameter in learned_steps(network)}
    own = dict(network.named_parameters())
    needed = {name for name, parameter in own.items() if id(parameter) not in steps}
    if not has_own_head(network.config):
        found.pop(f"{family_of(network.config).head}.weight", None)
    for name in sorted(needed):
        if name not in found or found[name].shape != own[name].shape:
            there = f"{list(found[name].shape)} there" if name in found else "not there"
            raise ConfigError(
                f"init = '{path}': '{name}' is {list(own[name].shape)} here and {there}. Set model.* as in that model."
            )
    if odd := {name for name in found.keys() - own.keys() if ".quantizer." not in name and ".inputs." not in name}:
        raise ConfigError(
            f"init = '{path}': has '{min(odd)}', which this network has not. Set model.* as in that model."
        )
    for name in needed:
        own[name].copy_(found[name])
    initialize_quantizers(network)
    for name in own.keys() - needed:
        if name in found and found[name].shape == own[name].shape:
            own[name].copy_(found[name])


def _of_run(path: Path, warn: Callable[[str], None]) -> dict[str, Tensor]:
    checkpoint = CheckpointStore(path / "checkpoints", 1, warn).newest()
    if checkpoint is None:
        raise CheckpointError(f"init = '{path}': the run has no checkpoint yet; train it first")
    return checkpoint.weights


def _of_model(path: Path) -> dict[str, Tensor]:
    if open_model(path, verify=False).activations.startswith("hadamard"):
        raise ConfigError(f"init = '{path}': its weights are stored in rotated coordinates; start from its run instead")
    runtime = load(path)
    found = {name: parameter.detach() for name, parameter in runtime.network.named_parameters()}
    for name, module in runtime.network.named_modules():
        if isinstance(module, PackedMatrix):
            found[f"{name}.weight"] = module.matrix.all()
            if module.matrix.bias is not None:
                found[f"{name}.bias"] = module.matrix.bias
    return found
