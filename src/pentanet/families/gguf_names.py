"""What a family must say so that its networks are written to GGUF and read from there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

C = TypeVar("C")


@dataclass(frozen=True, kw_only=True, slots=True)
class GgufNames(Generic[C]):
    """A family under llama.cpp's names.

    Attributes:
        architectures: llama.cpp's name of a network, by its model type in config.json.
        architecture: llama.cpp's name of a network with these sizes.
        refusal: what stock llama.cpp does not have of a network with these sizes; empty where it runs it.
        trunk: name of the list of blocks, which llama.cpp calls `blk`.
        block: the modules of a block, ours by llama.cpp's.
        outer: the modules outside of the blocks, in the same way.
        constants: tensors of a file that are none of the network.
        has_bias: whether the network of an architecture has a bias at a weight.
        heads: number of heads whose rows (of a bias, entries) an architecture has in another order; 0 for none.
        describe: adds the sizes of a network with so many tokens to a gguf.GGUFWriter; the last is the package gguf.
        constants_of: the constants that a file of such a network has, float32 by their name in the file.
        read_config: metadata of a file, the shapes of its tensors (ours) and its constants as a config.json; the last
            names the file. Raises ModelConfigError for a missing key, UnsupportedArchitectureError for others.
    """

    architectures: Mapping[str, str]
    architecture: Callable[[C], str]
    refusal: Callable[[C], str]
    trunk: str
    block: Mapping[str, str]
    outer: Mapping[str, str]
    constants: tuple[str, ...]
    has_bias: Callable[[str, str], bool]
    heads: Callable[[str, C, str], int]
    describe: Callable[[Any, C, int, Any], None]
    constants_of: Callable[[C], Mapping[str, NDArray[np.float32]]]
    read_config: Callable[
        [Mapping[str, Any], Mapping[str, tuple[int, ...]], Mapping[str, NDArray[np.float32]], str], dict[str, Any]
    ]

    def ours(self, name: str) -> str | None:
        """Our name of llama.cpp's tensor, None where it is of no network of the family."""
        *module, part = name.split(".")
        if len(module) == 1 and module[0] in self.outer:
            return f"{self.outer[module[0]]}.{part}"
        if len(module) == 3 and module[0] == "blk" and module[2] in self.block:
            return f"{self.trunk}.{module[1]}.{self.block[module[2]]}.{part}"
        return None

    def theirs(self, name: str) -> str:
        """Llama.cpp's name of our tensor, which must be one of a network that `refusal` lets through."""
        module, _, part = name.rpartition(".")
        if not module.startswith(f"{self.trunk}."):
            return f"{_key(self.outer, module)}.{part}"
        layer, _, inner = module.removeprefix(f"{self.trunk}.").partition(".")
        return f"blk.{layer}.{_key(self.block, inner)}.{part}"


def _key(names: Mapping[str, str], ours: str) -> str:
    return next(theirs for theirs, name in names.items() if name == ours)
