"""The trained network whose predictions a run learns from beside the text."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pentanet.config import from_tree, read_toml
from pentanet.data import tokenizer
from pentanet.data.dataset import TOKENIZER, Dataset
from pentanet.errors import CheckpointError, ConfigError, MissingFileError
from pentanet.families.network import Network
from pentanet.nn import set_progress
from pentanet.training.checkpoint import CheckpointStore, set_weights
from pentanet.training.config import TrainConfig


def load_teacher(
    run: Path, dataset: Dataset, context: int, make: Callable[[TrainConfig, int], Network], warn: Callable[[str], None]
) -> Network:
    """The network of a training run with its last weights, not to be trained.

    Args:
        run: its directory.
        context: tokens of a window that it must take.
        make: builds a network for a configuration and a vocabulary.
        warn: told about a damaged checkpoint that is skipped.

    Raises:
        MissingFileError: no training run there.
        DataError: its tokenizer.json cannot be read.
        TokenizerMismatchError: it reads other tokens than `dataset`.
        CheckpointError: it has no checkpoint.
        ConfigError: its windows are shorter than `context`.
    """
    for name in ("config.toml", TOKENIZER):
        if not (run / name).is_file():
            raise MissingFileError(run / name, "distill.teacher must be the directory of a run of: pentanet train")
    dataset.require_tokenizer(tokenizer.load(run / TOKENIZER), f"the teacher {run}")
    config = from_tree(TrainConfig, read_toml(run / "config.toml"), str(run / "config.toml"))
    if config.model.context < context:
        raise ConfigError(
            f"distill.teacher = '{run}': reads windows of {config.model.context} tokens, not of {context}"
        )
    checkpoint = CheckpointStore(run / "checkpoints", config.keep, warn).newest()
    if checkpoint is None:
        raise CheckpointError(f"{run}: the teacher has no checkpoint yet; train it first")
    network = make(config, dataset.vocab)
    set_weights(network, checkpoint)
    set_progress(network, 1.0)
    return network.eval().requires_grad_(False)
