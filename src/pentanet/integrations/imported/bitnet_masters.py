"""BitNet masters: latent weights in floats, which training rounds whenever the network runs.

They are rounded here as there, each matrix by its own mean: microsoft's published BitLinear, and transformers'
AutoBitLinear in its mode `online`.  Falcon-E's training rounds alike but for exact halves, which it rounds upwards.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pentanet.codes import Codes
from pentanet.families import family_of
from pentanet.families.tensor_table import linear_names
from pentanet.grid import TERNARY
from pentanet.integrations.imported.bitnet_section import BitnetSection
from pentanet.integrations.imported.found import Found, assemble
from pentanet.machine import usable_cores
from pentanet.ptq.workers import Workers
from pentanet.sources.hub import HubSource

_FLOOR = 1e-5  # of the mean


def from_masters(path: Path, section: BitnetSection | None, *, allow_pickle: bool = False) -> Found:
    """A directory of masters.

    Args:
        path: the directory.
        section: what its config.json says of the weights; None where it says nothing.
        allow_pickle: see `open_source`.

    Raises:
        FormatError: see `HubSource`.
    """
    source = HubSource(path, allow_pickle=allow_pickle, rounded=True)
    linears = linear_names(source.config, source.vocab)
    if section is not None:
        section.require_blocks(linears, family_of(source.config).head, f"{path}/config.json")

    def sized(name: str) -> int:
        return 12 * math.prod(source.shapes[name])  # the floats, their rounded copy, and a copy on the way

    made = Workers(usable_cores()).map(lambda name: round_master(source.tensor(name)), linears, sized)
    codes = dict(zip(linears, made, strict=True))

    def values(name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
        del shape  # the source has compared it
        return source.tensor(name).numpy()

    return Found(
        kind="BitNet masters, each matrix rounded by its mean as in training",
        exact=False,
        config=source.hub_config,
        tensors=assemble(source.config, source.vocab, codes=lambda name, shape: codes[name], values=values),
        method="bitnet-b158",
        activations="int8",
        files=source.files,
        facts=source.facts,
    )


@torch.no_grad()
def round_master(weight: Tensor) -> Codes:
    """A latent weight [rows, cols] in float32 as -1, 0 and 1, with the one scale that they are worth.

    The order of the operations is the published one: a product with the inverse of the mean is another number than a
    quotient by the mean, and a weight that lies halfway goes where that says.
    """
    inverse = 1.0 / weight.abs().mean().clamp_(min=_FLOOR)
    levels = (weight * inverse).round_().clamp_(-1, 1)
    return Codes(levels.numpy().astype(np.int8), (1.0 / inverse).numpy().reshape(1, 1), TERNARY)
