"""The loss of distillation, by hand."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from pentanet.training.objective import distilled_loss


class Fixed(nn.Module):
    """The same logits [B, T, vocab] for any input."""

    def __init__(self, logits: list[list[list[float]]]) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.tensor(logits))

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        del ids
        return self.logits


def test_the_loss_by_hand() -> None:
    student, teacher = Fixed([[[0.0, 1.0], [2.0, 0.0]]]), Fixed([[[3.0, 1.0], [0.0, 0.5]]])
    x, y = torch.zeros(1, 2, dtype=torch.long), torch.tensor([[1, 1]])
    loss = distilled_loss(student, teacher, x, y, 0.25)
    logs, wanted = F.log_softmax(student.logits[0], -1), F.softmax(teacher.logits[0], -1)
    text = -(logs[0, 1] + logs[1, 1]) / 2
    soft = -(wanted * logs).sum(-1).mean()
    assert loss.item() == pytest.approx((0.75 * text + 0.25 * soft).item(), rel=1e-6)
    loss.backward()
    assert student.logits.grad is not None
    assert teacher.logits.grad is None
    own = distilled_loss(student, student, x, y, 1.0)  # least where both are equal
    assert own < distilled_loss(Fixed([[[0.0, 0.9], [2.0, 0.1]]]), student, x, y, 1.0)
