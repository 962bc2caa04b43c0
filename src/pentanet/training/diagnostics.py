"""What levels and latent weights do during training, of the whole network and of each block.

Written at every validation.  Occupancy alone proves nothing (a scale rule that follows the weights keeps a Gaussian's
occupancy for ever), so it comes with the flip rate and the kurtosis.  Cheap on purpose: one pass over the latent
weights, one window through the network, three small eigenproblems.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pentanet.codes import Codes
from pentanet.data.dataset import Dataset
from pentanet.families.network import Network
from pentanet.nn import method_modules
from pentanet.nn.precision import Precision, autocast

DEAD_AFTER = 3
"""Validations in a row at level 0 after which a weight counts as dead."""
RANKED = 3
"""Matrices whose gradients are ranked: the first, the middle and the last under the method."""
ZERO_SPELL = "zero_spell/"
"""Prefix of the names under which a checkpoint holds `ZeroSpells`."""
_BLOCK = re.compile(r"\.(\d+)\.")

Exported = dict[str, Codes]
Levels = dict[str, NDArray[np.int8]]


@torch.no_grad()
def export(model: nn.Module) -> Exported:
    """Levels and scales of every weight under the method, by module; empty for full precision."""
    exported = ((name, module.quantizer.export(module.weight)) for name, module in method_modules(model))
    return {name: codes for name, codes in exported if isinstance(codes, Codes)}


def levels(exported: Mapping[str, Codes]) -> Levels:
    """Levels alone of what a method made of the weights, by module."""
    return {name: codes.levels for name, codes in exported.items()}


def changed(before: Levels, after: Levels) -> float | None:
    """Share of weights whose level differs; None without any."""
    total = sum(x.size for x in after.values())
    if not total:
        return None
    return sum(int(np.count_nonzero(before[name] != after[name])) for name in after) / total


def occupancy(found: Levels) -> dict[str, float] | None:
    """Share of weights on each level that occurs, lowest first; None without any."""
    counts = np.zeros(256, np.int64)
    for x in found.values():
        counts += np.bincount(x.ravel().astype(np.int16) + 128, minlength=256)
    total = int(counts.sum())
    return {str(i - 128): int(n) / total for i, n in enumerate(counts) if n} if total else None


@dataclass(frozen=True, kw_only=True, slots=True)
class LatentShape:
    """Shape of the latent weights under the method, averaged over matrices by their size.

    Attributes:
        kurtosis: excess kurtosis; 0 for a Gaussian.
        rms: root mean square.
    """

    kurtosis: float
    rms: float


@torch.no_grad()
def latent_shape(model: nn.Module) -> LatentShape:
    """Moments of the latent weights of all modules under the method."""
    total, kurtosis, square = 0, 0.0, 0.0
    for _, module in method_modules(model):
        w = module.weight.double()
        n, second = w.numel(), w.square().mean()
        centred = w - w.mean()
        variance = centred.square().mean().clamp_min(1e-30)
        kurtosis += n * (centred.pow(4).mean() / variance.square() - 3).item()
        square += n * second.item()
        total += n
    return LatentShape(kurtosis=kurtosis / total, rms=(square / total) ** 0.5)


class ZeroSpells:
    """For how many validations in a row each weight has stood on level 0, up to `DEAD_AFTER`.

    Attributes:
        spells: uint8 counts by module.
    """

    def __init__(self) -> None:
        self.spells: dict[str, NDArray[np.uint8]] = {}

    def see(self, found: Exported) -> None:
        """Count one more validation."""
        for name, codes in found.items():
            before = self.spells.get(name, np.zeros(codes.shape, np.uint8))
            self.spells[name] = np.where(codes.levels == 0, np.minimum(before + 1, DEAD_AFTER), 0).astype(np.uint8)

    def tensors(self) -> dict[str, Tensor]:
        """For a checkpoint: the dead-zone time goes on where it stood."""
        return {f"{ZERO_SPELL}{name}": torch.from_numpy(counts) for name, counts in self.spells.items()}

    def restore(self, saved: Mapping[str, Tensor]) -> None:
        """Take what `tensors` gave out of the tensors of a checkpoint."""
        found = {k.removeprefix(ZERO_SPELL): v.numpy() for k, v in saved.items() if k.startswith(ZERO_SPELL)}
        self.spells = found


def layers(model: nn.Module, found: Exported, before: Exported, spells: ZeroSpells) -> dict[str, list[Any]]:
    """Columns with one entry per block (or module outside of the blocks), each a mean over its weights.

    Args:
        found: what the method makes of the weights now.
        before: one step earlier; empty for no flip rate.
        spells: with this validation counted.

    Returns:
        `name`; `flip_rate`, share of weights whose level changed in the last step; `dead`, share that stood on level 0
        in the last `DEAD_AFTER` validations; `kurtosis` of the latent weights (0 for a Gaussian); `saturation`, share
        that is clipped, beyond what rounds to the outer levels; `variance_ratio`, mean square of what the forward pass
        uses over that of the latent weights.  Entries without a meaning are None.
    """
    columns: dict[str, dict[str, list[tuple[int, float | None]]]] = {}
    for name, module in method_modules(model):
        weight = module.weight.detach().cpu().numpy()
        row: dict[str, float | None] = {"kurtosis": _kurtosis(weight)}
        if (codes := found.get(name)) is not None:
            rounded = module.quantizer.latent(module.weight.detach()).cpu().numpy()
            row |= _of_levels(rounded, codes, before.get(name), spells.spells.get(name))
        entry = columns.setdefault(_place(name), {})
        for key in ("flip_rate", "dead", "kurtosis", "saturation", "variance_ratio"):
            entry.setdefault(key, []).append((weight.size, row.get(key)))
    table: dict[str, list[Any]] = {"name": list(columns)}
    for entry in columns.values():
        for key, values in entry.items():
            table.setdefault(key, []).append(_average(values))
    return table


def _of_levels(
    weight: NDArray[np.float32], codes: Codes, before: Codes | None, spell: NDArray[np.uint8] | None
) -> dict[str, float | None]:
    grid, groups = codes.grid, codes.scales.shape[1]
    scales = np.broadcast_to(codes.scales, (weight.shape[0], groups))[:, :, None]
    blocks = weight.reshape(weight.shape[0], groups, -1)
    edge = (grid.highest + grid.spacing / 2) * scales
    return {
        "flip_rate": None if before is None else _share(before.levels != codes.levels),
        "dead": _share(spell == DEAD_AFTER) if grid.has_zero and spell is not None else None,
        "saturation": _share(np.abs(blocks) > edge),
        "variance_ratio": _square(codes.dequantize()) / max(_square(weight), 1e-30),
    }


def _place(name: str) -> str:
    """Number of the block, or the name of a module outside of them."""
    found = _BLOCK.search(name)
    return found[1] if found else name


def _share(mask: NDArray[np.bool_]) -> float:
    return int(np.count_nonzero(mask)) / mask.size


def _square(values: NDArray[np.float32]) -> float:
    flat = values.ravel()
    return float(np.dot(flat, flat)) / flat.size


def _kurtosis(weight: NDArray[np.float32]) -> float:
    # In units of the deviation: fourth powers of small weights would fall below float32.
    centred = weight - weight.mean()
    deviation = max(_square(centred) ** 0.5, 1e-30)
    squares = np.square(centred / np.float32(deviation))
    return _square(squares) - 3


def _average(values: Iterable[tuple[int, float | None]]) -> float | None:
    known = [(size, value) for size, value in values if value is not None]
    total = sum(size for size, _ in known)
    return short(sum(size * value for size, value in known) / total) if known else None


def short(value: float) -> float:
    """Four significant digits: enough for a picture, and the log stays small."""
    return float(f"{value:.4g}")


@torch.no_grad()
def gradient_rank(model: nn.Module) -> dict[str, float]:
    """Effective rank of the gradients that three of the latent weights hold now, by module.

    It is exp of the entropy of the normalized singular values (Roy and Vetterli 2007): n for n equal ones, 1 for one.
    A gradient of zeros has rank 0.
    """
    modules = [(name, m.weight.grad) for name, m in method_modules(model)]
    picked = sorted({round(i * (len(modules) - 1) / (RANKED - 1)) for i in range(RANKED)}) if modules else []
    return {name: short(effective_rank(grad)) for name, grad in (modules[i] for i in picked) if grad is not None}


def effective_rank(matrix: Tensor) -> float:
    """Exp of the entropy of the normalized singular values of a matrix; 0 for one of zeros."""
    wide = matrix.double() if matrix.shape[0] <= matrix.shape[1] else matrix.double().T
    gram = wide @ wide.T  # its eigenvalues are the squared singular values
    peak = gram.diagonal().max()
    if not peak > 0:
        return 0.0
    squares = cast("Tensor", torch.linalg.eigvalsh(gram / peak))
    values = squares.clamp_(min=0).sqrt_()
    shares = values / values.sum()
    return float((shares * shares.clamp_min(1e-300).log()).sum().neg().exp())


@torch.inference_mode()
def residual(model: Network, dataset: Dataset, device: torch.device, precision: Precision) -> list[float]:
    """Root mean square of the residual stream before the first block and after each, on the first validation window."""
    sizes: list[float] = []

    def note(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if not sizes:
            sizes.append(_rms(inputs[0]))
        sizes.append(_rms(output))

    blocks = next((m for m in model.modules() if isinstance(m, nn.ModuleList)), nn.ModuleList())
    hooks = [block.register_forward_hook(note) for block in blocks]
    training, tokens = model.training, dataset.split("valid").tokens[: model.config.context]
    try:
        window = torch.from_numpy(tokens.astype(np.int64))[None].to(device)
        with autocast(device, precision):
            model.eval()(window)
    finally:
        model.train(training)
        for hook in hooks:
            hook.remove()
    return [short(size) for size in sizes]


def _rms(x: Tensor) -> float:
    return x.float().square().mean().sqrt().item()
