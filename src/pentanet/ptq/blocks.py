"""How a calibration goes through the blocks of a family, and what the matrices of a block see on the way."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pentanet.errors import TokenizerMismatchError, UnsupportedArchitectureError
from pentanet.families import family_of
from pentanet.families.blocks import Blocks
from pentanet.sources.float_network import FloatWeights
from pentanet.sources.source import Source

ADDED = (1, 3)  # stages, of one matrix each


class Walk:
    """Blocks of a source, with their weights as they came.

    Attributes:
        source: the model.
        blocks: what its family says of them.
        residual_scale: factor of what is added to the residual stream.
    """

    def __init__(self, source: Source, blocks: Blocks[Any], tokens: int) -> None:
        self.source, self.blocks, self._tokens = source, blocks, tokens
        self._embedding_scale, self.residual_scale = blocks.scales(source.config)

    def embed(self, ids_BT: Tensor) -> Tensor:
        """What goes into the first block [B, T, D]; only the embeddings in use are in memory."""
        looked_up = self._look_up(f"{family_of(self.source.config).embedding}.weight", ids_BT)
        if self._embedding_scale != 1:
            looked_up *= self._embedding_scale
        if not self.blocks.positions:
            return looked_up
        return looked_up + self.source.rows(f"{self.blocks.positions}.weight", 0, ids_BT.shape[1])

    def beside(self, layer: int) -> tuple[Tensor | None, ...]:
        """What the attention of a layer takes beside its inputs."""
        return self.blocks.beside(self.source.config, self._tokens, layer)

    def inputs(self, block: nn.Module, stage: int, x_BTD: Tensor, beside: tuple[Tensor | None, ...]) -> Tensor:
        """What the matrices of a stage see; one whose outputs are added must have been replaced by an identity."""
        norm, reader, _ = self.blocks.parts[stage // 2]
        x: Tensor = block.get_submodule(norm)(x_BTD) if norm else x_BTD
        if stage not in ADDED:
            return x
        more = beside if stage == ADDED[0] else ()
        found: Tensor = block.get_submodule(reader)(x, *more)
        return found

    def post_norm(self, block: nn.Module, stage: int) -> nn.Module | None:
        """The norm between the outputs of a stage and the residual stream; None where there is none."""
        name = self.blocks.parts[stage // 2][2]
        return block.get_submodule(name) if name else None

    @torch.no_grad()
    def block(self, layer: int) -> nn.Module:
        """A block of the original."""
        block = self.blocks.empty(self.source.config, FloatWeights()).eval()
        for name, parameter in block.named_parameters():
            parameter.copy_(self.source.tensor(f"{self.blocks.trunk}.{layer}.{name}"))
        return block

    def _look_up(self, name: str, ids_BT: Tensor) -> Tensor:
        ids, places = np.unique(ids_BT.numpy(), return_inverse=True)
        used: list[int] = ids.tolist()
        if used[-1] >= self.source.vocab:
            raise TokenizerMismatchError(
                f"{self.source.path}: the text has token {used[-1]}, the model {self.source.vocab}"
            )
        rows = [self.source.rows(name, i, i + 1) for i in used]
        return torch.cat(rows)[torch.from_numpy(places.reshape(ids_BT.shape))]


def walk(source: Source, tokens: int) -> Walk:
    """The way through a source, for windows of so many tokens.

    Raises:
        UnsupportedArchitectureError: a shape that none is known for.
    """
    blocks = family_of(source.config).blocks
    if blocks is None:
        raise UnsupportedArchitectureError(f"{source.path}: calibrated methods do not know this shape; use rtn")
    return Walk(source, blocks, tokens)
