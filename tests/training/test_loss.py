"""Next-token loss."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from pentanet.data.dataset import Dataset
from pentanet.training.loss import EVALUATION_TOKENS, mean_loss, token_losses, validation_batches

CPU = torch.device("cpu")


class Table(nn.Module):
    """Logits that depend on the last token alone."""

    def __init__(self, logits: torch.Tensor) -> None:
        super().__init__()
        self.logits = logits

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.logits[ids]


def test_token_losses_by_hand() -> None:
    table = Table(torch.tensor([[0.0, 0.0], [0.0, math.log(3.0)]]))
    losses = token_losses(table, torch.tensor([[0, 1], [1, 1]]), torch.tensor([[1, 0], [1, 1]]))
    assert losses.tolist() == pytest.approx([math.log(2), math.log(4), math.log(4 / 3), math.log(4 / 3)])


def test_mean_loss_counts_what_the_mask_shows() -> None:
    table = Table(torch.tensor([[0.0, 0.0], [0.0, math.log(3.0)]])).train()
    windows = [
        (np.array([[0, 1]]), np.array([[1, 0]]), np.array([[True, True]])),
        (np.array([[1, 1]]), np.array([[1, 0]]), np.array([[True, False]])),
    ]
    told: list[int] = []
    loss, count = mean_loss(table, windows, CPU, "float32", told.append)
    assert count == 3
    assert told == [2, 3]
    assert loss == pytest.approx((math.log(2) + math.log(4) + math.log(4 / 3)) / 3)
    assert table.training


def test_mean_loss_evaluates_without_dropout_and_gives_the_mode_back() -> None:
    seen: list[bool] = []

    class Spy(Table):
        def forward(self, ids: torch.Tensor) -> torch.Tensor:
            seen.append(self.training)
            return super().forward(ids)

    for mode in (True, False):
        spy = Spy(torch.zeros(2, 2)).train(mode)
        mean_loss(spy, [(np.array([[0]]), np.array([[1]]), np.array([[True]]))], CPU, "float32")
        assert spy.training is mode
    assert seen == [False, False]


@pytest.mark.parametrize("context", [7, 16, 5000])
def test_validation_covers_every_token_once(tiny: Dataset, context: int) -> None:
    targets = np.concatenate([y[mask] for _, y, mask in validation_batches(tiny, "valid", context)])
    np.testing.assert_array_equal(targets, tiny.split("valid").tokens[1:])


def test_a_short_validation_is_the_beginning_of_a_full_one(tiny: Dataset) -> None:
    some = np.concatenate([y[mask] for _, y, mask in validation_batches(tiny, "train", 16, EVALUATION_TOKENS + 1)])
    assert len(some) == 2 * EVALUATION_TOKENS
    np.testing.assert_array_equal(some, tiny.split("train").tokens[1 : 1 + len(some)])
