"""The engine where a torch network is expected."""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from pentanet.families.network import Network
from pentanet.runtime.engine import Engine
from pentanet.runtime.load import Runtime


class EngineNetwork(nn.Module):
    """The engine as a network: ids [B, T] -> logits [B, T, vocab]."""

    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self.engine, self.config = engine, engine.config

    def forward(self, ids_BT: Tensor) -> Tensor:
        texts: list[list[int]] = ids_BT.tolist()
        return torch.from_numpy(np.stack([self.engine.logits(ids) for ids in texts]))


def as_runtime(engine: Engine) -> Runtime:
    """The engine as what `pentanet.evaluation` measures."""
    network = cast("Network", EngineNetwork(engine).eval())  # all that Runtime and evaluation ask of one
    return Runtime(
        network=network,
        tokenizer=engine.tokenizer,
        path=engine.packed.path,
        config=engine.packed.config,
        endings=engine.endings,
    )
