"""What `pentanet quantize` is asked for."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from pentanet import grid as grids
from pentanet.errors import ConfigError, UnknownNameError
from pentanet.quant.granularity import ROW, Granularity, group_near

Method = Literal["rtn", "ptqtp", "gptq", "refine"]
METHODS: tuple[str, ...] = get_args(Method)
CALIBRATED = ("gptq", "refine")
EMBEDDINGS = ("int8", "bfloat16", "float32")


@dataclass(frozen=True, kw_only=True, slots=True)
class QuantizeConfig:
    """Settings of a quantization."""

    method: str = "rtn"
    """rtn: round to nearest; ptqtp: trit planes; gptq; refine: gptq on the quantized
    network's own activations, then levels and scales refined alternately."""
    grid: str = "pentanary"
    """Levels of the linears."""
    bits_budget: float = 0.0
    """Bits per weight of the linears with scales; grids differ by matrix, and `grid` is not used. 0: no budget."""
    group: int = 128
    """Inputs that share a scale, or the largest divisor of a row below that; 0 for the whole row."""
    planes: int = 2
    """Of ptqtp: 2 or 3."""
    tied: bool = False
    """Of ptqtp: the scale of the first plane is three times that of the second, which makes nine even levels."""
    embedding: str = "int8"
    """How embedding and head are stored: int8, bfloat16 or float32."""
    rotate: bool = False
    """Turn the residual stream and the values of each head first, which is folded into the weights: fewer outliers."""
    damping: float = 0.01
    """Of calibrated methods: this share of the mean diagonal is added to the Hessian."""
    act_order: bool = True
    """Of calibrated methods: inputs with large activations come first."""
    samples: int = 48
    """Of calibrated methods: windows of the text they look at."""
    window: int = 512
    """Of calibrated methods: tokens of each window."""

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise UnknownNameError("method of quantization", self.method, METHODS)
        if self.embedding not in EMBEDDINGS:
            raise UnknownNameError("storage", self.embedding, EMBEDDINGS)
        if not 2 <= self.planes <= 3 or (self.tied and self.planes != 2):
            raise ConfigError(f"planes {self.planes}{', tied' if self.tied else ''}: must be 2 or 3, and 2 where tied")
        if not 0 <= self.bits_budget < math.inf or (self.bits_budget and self.method == "ptqtp"):
            raise ConfigError(
                f"bits_budget {self.bits_budget}: must be positive, and ptqtp has no grids to choose from"
            )
        if self.group < 0:
            raise ConfigError(f"group {self.group}: must be 1 or more, or 0 for whole rows")
        if self.samples < 1 or self.window < 1:
            raise ConfigError(f"{self.samples} windows of {self.window} tokens: both must be 1 or more")
        if not 0 < self.damping < math.inf:
            raise ConfigError(f"damping {self.damping}: must be positive")
        grids.grid(self.grid)

    @property
    def granularity(self) -> Granularity:
        """What shares a scale."""
        return group_near(self.group) if self.group else ROW

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON can hold them."""
        return asdict(self)
