"""Rotary positions in torch: the table of `pentanet.families.rope`, which the native engine has too, and its use.

Legend of shape suffixes: B batch, T tokens, H heads, E head width.
"""

from __future__ import annotations

import torch
from torch import Tensor

from pentanet.families.llama.config import LlamaConfig
from pentanet.families.rope import rotary_table


def rotary_tensors(config: LlamaConfig, tokens: int) -> tuple[Tensor, Tensor]:
    """Cosines and sines [tokens, E / 2] of the first positions of a network, at most its context."""
    cosines, sines = rotary_table(min(tokens, config.context), config.head_width, config.rope_theta, config.rope)
    return torch.from_numpy(cosines), torch.from_numpy(sines)


def rotate(x_BHTE: Tensor, cos_TE: Tensor, sin_TE: Tensor) -> Tensor:
    """Rotate each pair (i, i + E/2) of the head by its position's angle: Hugging Face's half-split order."""
    a, b = x_BHTE.chunk(2, dim=-1)
    return torch.cat((a * cos_TE - b * sin_TE, b * cos_TE + a * sin_TE), dim=-1)
