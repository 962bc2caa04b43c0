"""What `pentanet quantize` is asked for."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from pentanet import grid as grids
from pentanet.errors import ConfigError, UnknownNameError
from pentanet.quant.granularity import ROW, Granularity, group_near

Method = Literal["rtn"]
METHODS: tuple[str, ...] = get_args(Method)
CALIBRATED: tuple[str, ...] = ()
EMBEDDINGS = ("int8", "bfloat16", "float32")


@dataclass(frozen=True, kw_only=True, slots=True)
class QuantizeConfig:
    """Settings of a quantization."""

    method: str = "rtn"
    """rtn: round to nearest."""
    grid: str = "pentanary"
    """Levels of the linears."""
    group: int = 128
    """Inputs that share a scale, or the largest divisor of a row below that; 0 for the whole row."""
    embedding: str = "int8"
    """How embedding and head are stored: int8, bfloat16 or float32."""

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise UnknownNameError("method of quantization", self.method, METHODS)
        if self.embedding not in EMBEDDINGS:
            raise UnknownNameError("storage", self.embedding, EMBEDDINGS)
        if self.group < 0:
            raise ConfigError(f"group {self.group}: must be 1 or more, or 0 for whole rows")
        grids.grid(self.grid)

    @property
    def granularity(self) -> Granularity:
        """What shares a scale."""
        return group_near(self.group) if self.group else ROW

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON can hold them."""
        return asdict(self)
