"""What a network of every family is in torch."""

from __future__ import annotations

from typing import Generic, TypeVar

import torch
from torch import nn

from pentanet.families.family import ModelConfig

C_co = TypeVar("C_co", bound=ModelConfig, covariant=True)


class FamilyNetwork(nn.Module, Generic[C_co]):
    """ids [B, T] -> logits [B, T, vocab].

    Attributes:
        config: its sizes.
        vocab: number of tokens.
    """

    def __init__(self, config: C_co, vocab: int) -> None:
        super().__init__()
        self.config, self.vocab = config, vocab

    def initialize(self, generator: torch.Generator) -> None:
        """Draw the weights, where the family is trained here."""
        raise NotImplementedError


Network = FamilyNetwork[ModelConfig]
