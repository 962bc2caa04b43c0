"""What a step makes smaller: the loss of the text, and with a teacher the one of its predictions.

Knowledge distillation (Hinton et al. 2015): (1 - share) * cross-entropy with the next token + share * cross-entropy
with the teacher's distribution, at temperature 1, as in Binary and Ternary Natural Language Generation (2306.01841),
without its hidden states.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def distilled_loss(network: nn.Module, teacher: nn.Module, x_BT: Tensor, y_BT: Tensor, share: float) -> Tensor:
    """Mean loss in nats: the text's cross-entropy and, with weight `share`, that with the teacher's distribution."""
    with torch.no_grad():
        target = teacher(x_BT).float().softmax(-1).flatten(0, 1)
    logits = network(x_BT).float().flatten(0, 1)
    soft = F.cross_entropy(logits, target)
    if share == 1.0:
        return soft  # a pass over the logits of a large vocabulary is saved
    return (1 - share) * F.cross_entropy(logits, y_BT.flatten()) + share * soft
