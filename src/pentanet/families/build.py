"""From a configuration to a network."""

from __future__ import annotations

import torch

from pentanet.families.family import ModelConfig
from pentanet.families.network import Network
from pentanet.families.registry import family_of
from pentanet.nn import WeightFactory


def build(config: ModelConfig, vocab: int, make: WeightFactory, device: torch.device | str = "cpu") -> Network:
    """A network with uninitialized weights on `device` ("meta" costs no memory)."""
    with torch.device(device):
        return family_of(config).network(config, vocab, make)
