"""Rotary positions in torch: the table of `pentanet.families.rope`, which the native engine has too, and its use.

Legend of shape suffixes: B batch, T tokens, H heads, E head width.
"""

from __future__ import annotations

import torch
from torch import Tensor

from pentanet.families.rope import Rotary


def rotary_tensors(rotary: Rotary, tokens: int) -> tuple[Tensor, Tensor]:
    """Cosines and sines [tokens, width / 2] of the first positions."""
    cosines, sines = rotary.table(tokens)
    return torch.from_numpy(cosines), torch.from_numpy(sines)


def rotate(x_BHTE: Tensor, cos_TE: Tensor, sin_TE: Tensor) -> Tensor:
    """Rotate each pair (i, i + W/2) of the first W numbers of a head by its position's angle: Hugging Face's order.

    The cosines and sines are of half of these numbers; the others stay as they are.
    """
    half = cos_TE.shape[-1]
    a, b, rest = x_BHTE[..., :half], x_BHTE[..., half : 2 * half], x_BHTE[..., 2 * half :]
    turned = [a * cos_TE - b * sin_TE, b * cos_TE + a * sin_TE]
    return torch.cat(turned if rest.shape[-1] == 0 else [*turned, rest], dim=-1)
