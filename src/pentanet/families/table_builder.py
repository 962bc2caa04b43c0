"""How a family lists the tensors of its networks."""

from __future__ import annotations

from dataclasses import dataclass

from pentanet.linear_options import Activations, LowRank, low_rank_of


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One tensor.

    Attributes:
        shape: as in the file; of a linear [outputs, inputs].
        plain: whether it must be stored as values, and not in codes.
        linear: whether it is the weight of a linear of a block, which is what methods quantize.
        bias: whether that linear has a bias, which is stored with its codes.
    """

    shape: tuple[int, ...]
    plain: bool = False
    linear: bool = False
    bias: bool = False


class TableBuilder:
    """Takes the modules of a network in its order, and adds what linears have beside their weights.

    Attributes:
        entries: the tensors so far, by name.
    """

    def __init__(self, activations: Activations = "none", low_rank: LowRank = "none") -> None:
        self.entries: dict[str, Entry] = {}
        self._activations, self._low_rank = activations, low_rank

    def matrix(self, name: str, rows: int, cols: int) -> None:
        """An embedding or a head [rows, cols]."""
        self.entries[f"{name}.weight"] = Entry(shape=(rows, cols))

    def linear(self, name: str, inputs: int, outputs: int, *, bias: bool = False) -> None:
        """A linear of a block."""
        self.entries[f"{name}.weight"] = Entry(shape=(outputs, inputs), linear=True, bias=bias)
        if self._activations.startswith("elastic"):
            self._plain(f"{name}.inputs.log_step")
        if self._low_rank != "none":
            rank = low_rank_of(inputs)
            self._plain(f"{name}.low_rank.down", rank, inputs)
            self._plain(f"{name}.low_rank.up", outputs, rank)
            if self._low_rank == "gated":
                self._plain(f"{name}.low_rank.gate")

    def norm(self, name: str, width: int, *, bias: bool = False) -> None:
        """A norm with a gain [width], and perhaps a bias."""
        for part in ("weight", "bias") if bias else ("weight",):
            self._plain(f"{name}.{part}", width)

    def positions(self, name: str, context: int, width: int) -> None:
        """Learned positions [context, width]: they are added as they are, and never coded."""
        self._plain(f"{name}.weight", context, width)

    def vector(self, name: str, size: int) -> None:
        """A parameter [size] of no module."""
        self._plain(name, size)

    def _plain(self, name: str, *shape: int) -> None:
        self.entries[name] = Entry(shape=shape, plain=True)
