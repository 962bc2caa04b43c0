"""Next-token loss, the same code for training, validation and packed models."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from pentanet.data.batches import evaluation_windows
from pentanet.data.dataset import Dataset
from pentanet.nn.precision import Precision, autocast

Windows = Iterable[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]]


EVALUATION_TOKENS = 4096  # per forward pass of a validation


def token_losses(network: nn.Module, x_BT: Tensor, y_BT: Tensor) -> Tensor:
    """Cross-entropy [B * T] in nats of each target `y_BT` after its window's tokens up to `x_BT`."""
    logits = network(x_BT).float()
    return F.cross_entropy(logits.flatten(0, 1), y_BT.flatten(), reduction="none")


@torch.inference_mode()
def mean_loss(
    network: nn.Module,
    windows: Windows,
    device: torch.device,
    precision: Precision,
    progress: Callable[[int], None] | None = None,
) -> tuple[float, int]:
    """Mean loss in nats per token, and the number of tokens; summed in float64.

    Args:
        windows: inputs, targets and the mask of targets that count, [B, T] each.
        progress: told the number of tokens so far after each batch.
    """
    training = network.training
    network.eval()
    total, count = 0.0, 0
    for x, y, mask in windows:
        with autocast(device, precision):
            losses = token_losses(network, torch.from_numpy(x).to(device), torch.from_numpy(y).to(device))
        total += losses.double()[torch.from_numpy(mask).to(device).flatten()].sum().item()
        count += int(mask.sum())
        if progress is not None:
            progress(count)
    network.train(training)
    return total / count, count


def validation_batches(dataset: Dataset, split: str, context: int, tokens: int = 0) -> Windows:
    """Every token of a split once (or of its first `tokens`), in batches: the same for every method, run and model."""
    batches = evaluation_windows(dataset.split(split), context, max(1, EVALUATION_TOKENS // context))
    return itertools.islice(batches, -(-tokens // EVALUATION_TOKENS)) if tokens else batches
