"""What comes before each window that is measured: the BOS of models that were trained with one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from pentanet.errors import ConfigError


class Started(nn.Module):
    """A network whose windows all begin with the same tokens: ids [B, T] -> logits [B, T, vocab] after each of the ids.

    Args:
        network: ids [B, T] -> logits [B, T, vocab].
        start: what it reads first in each window; none leaves the network as it is.
    """

    def __init__(self, network: nn.Module, start: Sequence[int]) -> None:
        super().__init__()
        self.network, self.start = network, tuple(start)

    def forward(self, ids_BT: Tensor) -> Tensor:
        if not self.start:
            return self.network(ids_BT)
        first = ids_BT.new_tensor(self.start).expand(len(ids_BT), -1)
        return self.network(torch.cat([first, ids_BT], 1))[:, len(self.start) :]


def room(context: int, start: Sequence[int]) -> int:
    """Tokens of the text in a window of `context` tokens that begins with `start`.

    Raises:
        ConfigError: none.
    """
    if len(start) >= context:
        raise ConfigError(f"a context of {context} has no room beside the {len(start)} tokens that a text begins with")
    return context - len(start)
