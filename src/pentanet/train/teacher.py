"""A trained network whose predictions a run learns from beside the text: knowledge distillation (Hinton et al. 2015).

The loss is (1 - share) * cross-entropy with the next token + share * cross-entropy with the teacher's distribution, at
temperature 1, as in Binary and Ternary Natural Language Generation (2306.01841), without its hidden states.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from torch import Tensor, nn

from pentanet.config import from_tree, read_toml
from pentanet.data.dataset import TOKENIZER, Dataset
from pentanet.errors import CheckpointError, ConfigError, MissingFileError
from pentanet.families.network import Network
from pentanet.nn import set_progress
from pentanet.train.checkpoint import CheckpointStore, set_weights
from pentanet.train.config import TrainConfig


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
        TokenizerMismatchError: it reads other tokens than `dataset`.
        CheckpointError: it has no checkpoint.
        ConfigError: its windows are shorter than `context`.
    """
    for name in ("config.toml", TOKENIZER):
        if not (run / name).is_file():
            raise MissingFileError(run / name, "distill.teacher must be the directory of a run of: pentanet train")
    dataset.require_tokenizer(Tokenizer.from_file(str(run / TOKENIZER)), f"the teacher {run}")
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


def distilled_loss(network: nn.Module, teacher: nn.Module, x_BT: Tensor, y_BT: Tensor, share: float) -> Tensor:
    """Mean loss in nats: the text's cross-entropy and, with weight `share`, that with the teacher's distribution."""
    with torch.no_grad():
        target = teacher(x_BT).float().softmax(-1).flatten(0, 1)
    logits = network(x_BT).float().flatten(0, 1)
    return (1 - share) * F.cross_entropy(logits, y_BT.flatten()) + share * F.cross_entropy(logits, target)
