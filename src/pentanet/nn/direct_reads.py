"""Which weights of a torch module are read by the code around it, so that no module in its place would round them."""

from __future__ import annotations

import inspect
import re
from functools import cache
from types import FunctionType

from torch import nn


@cache
def direct_reads(kind: type[nn.Module], *, called_too: bool) -> frozenset[str]:
    """Names of submodules whose `.weight` the code of a class reads: Mamba's mixer multiplies by it by itself.

    Code that sets a weight up, or asks for its device, does no harm.

    Args:
        kind: the class of the module around them.
        called_too: name also those that the same function calls: torch's TransformerEncoderLayer reads their weights in
            evaluation mode only.
    """
    found: set[str] = set()
    for base in kind.__mro__[: kind.__mro__.index(nn.Module)]:
        for name, function in vars(base).items():
            if isinstance(function, FunctionType) and "init" not in name:
                text = _source(function)
                called = set() if called_too else set(re.findall(r"\bself\.(\w+)\(", text))
                found.update(set(re.findall(r"\bself\.(\w+)\.weight\b(?!\.device)", text)) - called)
    return frozenset(found)


def _source(function: FunctionType) -> str:
    try:
        return inspect.getsource(inspect.unwrap(function))
    except (OSError, TypeError):  # typed in at a prompt, or compiled: nothing to see
        return ""
