"""Which linears of a model of transformers are quantized, and what stays as it is: said aloud, never passed over."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn
from transformers.pytorch_utils import Conv1D
from transformers.quantizers.quantizers_utils import should_convert_module

from pentanet.errors import ModelConfigError, SmallShareError
from pentanet.nn.direct_reads import direct_reads

Linear = nn.Linear | Conv1D

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """The linears of a model that are quantized.

    Attributes:
        model: name of its class.
        linears: the chosen modules by path.
        chosen: their weights.
        left: weights of the other matrices by kind of module; without the embeddings, the head and what the user named.
    """

    model: str
    linears: Mapping[str, Linear]
    chosen: int
    left: Mapping[str, int]

    @property
    def share(self) -> float:
        """Chosen weights among all that could have been, 0 to 1."""
        return self.chosen / max(self.chosen + sum(self.left.values()), 1)

    def __str__(self) -> str:
        total = max(self.chosen + sum(self.left.values()), 1)
        text = f"{self.model}: {self.share:.1%} of the weights in its layers are quantized"
        kinds = sorted(self.left.items(), key=lambda item: -item[1])
        return text + ("; left as they are: " if kinds else "") + ", ".join(f"{k} {n / total:.1%}" for k, n in kinds)


def choose(model: Any, skip: list[str], *, asked: list[str], min_share: float) -> Choice:
    """Choose every linear outside of `skip` whose weight nobody but itself reads, and log what that leaves.

    Args:
        model: a network of transformers; its weights need not be there yet.
        skip: names that stay, as `should_convert_module` reads them: the head, and `asked`.
        asked: those of them that the user named; they do not lower the share.
        min_share: smallest share of the weights that may be chosen.

    Raises:
        ModelConfigError: there is no linear to choose.
        SmallShareError: the share is smaller than `min_share`; names what would stay.
    """
    ends = {id(model.get_input_embeddings()), id(model.get_output_embeddings())}
    linears: dict[str, Linear] = {}
    left: Counter[str] = Counter()
    chosen = 0
    for path, module, read in _modules(model):
        matrices = [p for p in module.parameters(recurse=False) if p.dim() >= 2]
        size = sum(p.numel() for p in matrices)
        if isinstance(module, Linear) and should_convert_module(path, skip) and not read:
            linears[path] = module
            chosen += size
        elif id(module) not in ends and not isinstance(module, nn.Embedding) and should_convert_module(path, asked):
            left[_kind(path, module, read)] += size
    choice = Choice(model=type(model).__name__, linears=linears, chosen=chosen, left=+left)
    if not linears and not choice.left:
        raise ModelConfigError(f"{choice.model}: has no linear outside of {', '.join(sorted(skip))}")
    if choice.share < min_share:
        raise SmallShareError(
            f"{choice}. That is less than {min_share:.0%}: take another model, "
            "or allow it with PentaNetConfig(..., min_share=0)"
        )
    _log.log(logging.WARNING if choice.left else logging.INFO, "%s", choice)
    return choice


def _modules(model: Any) -> Iterator[tuple[str, nn.Module, bool]]:
    """Every module below the model by path, and whether its parent reads its weight instead of calling it."""
    for parent_path, parent in model.named_modules():
        kind: type[nn.Module] = type(parent)
        direct = direct_reads(kind, called_too=False)
        for name, child in parent.named_children():  # a function that calls the module as well seldom reads its weight
            yield f"{parent_path}.{name}".lstrip("."), child, name in direct


def _kind(path: str, module: nn.Module, read: bool) -> str:
    leaf = next((part for part in reversed(path.split(".")) if not part.isdecimal()), path)
    return f"{type(module).__name__} '{leaf}'" + (" (used past the module)" if read else "")
