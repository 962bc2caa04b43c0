"""The native engine (native/src/bindings/module.cpp).  Wrong shapes, names and token ids raise ValueError."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

class Arena:
    """Huge pages that the matrices of a model share."""

    def __init__(self) -> None: ...

class Matrix:
    """Weights [rows, cols] that stay packed; borrows the arrays that it is made of."""

    @staticmethod
    def coded(
        codes: NDArray[np.uint8],
        scales: NDArray[np.float32],
        bias: NDArray[np.float32] | None = None,
        *,
        layout: str,
        lowest: int,
        spacing: int,
        size: int,
        rows: int,
        cols: int,
        isa: str = "",
        threads: int = 1,
        arena: Arena | None = None,
    ) -> Matrix: ...
    @staticmethod
    def plain(values: NDArray[np.uint8], *, dtype: str, rows: int, cols: int, isa: str = "") -> Matrix: ...
    @property
    def rows(self) -> int: ...
    @property
    def cols(self) -> int: ...
    @property
    def nbytes(self) -> int: ...
    @property
    def layout_in_memory(self) -> str: ...
    @property
    def repacked(self) -> bool: ...
    def apply(self, x: NDArray[np.float32], threads: int = 1, activations: str = "int8") -> NDArray[np.float32]: ...
    def sums(self, x: NDArray[np.int8], threads: int = 1) -> NDArray[np.int32]: ...

class Layer:
    """One block of a network."""

    def __init__(
        self,
        *,
        attention_norm: NDArray[np.float32] | None = None,
        attention_norm_bias: NDArray[np.float32] | None = None,
        qkv: Sequence[Matrix],
        query_norm: NDArray[np.float32] | None = None,
        key_norm: NDArray[np.float32] | None = None,
        attention_sub_norm: NDArray[np.float32] | None = None,
        attention_out: Matrix,
        attention_post_norm: NDArray[np.float32] | None = None,
        mlp_norm: NDArray[np.float32] | None = None,
        mlp_norm_bias: NDArray[np.float32] | None = None,
        up: Sequence[Matrix],
        mlp_sub_norm: NDArray[np.float32] | None = None,
        down: Matrix,
        mlp_post_norm: NDArray[np.float32] | None = None,
        window: int = 0,
        rotary: int = -1,
    ) -> None: ...

class Model:
    """A network whose shapes have been checked."""

    def __init__(
        self,
        *,
        width: int,
        heads: int,
        kv_heads: int,
        head_width: int,
        context: int,
        norm: str,
        norm_eps: float,
        activation: str,
        gated: bool,
        embedding_scale: float = 1.0,
        residual_scale: float = 1.0,
        score_scale: float = 0.0,
        logit_scale: float = 1.0,
        score_cap: float = 0.0,
        logit_cap: float = 0.0,
        embedding: Matrix,
        head: Matrix,
        final_norm: NDArray[np.float32],
        final_norm_bias: NDArray[np.float32] | None = None,
        positions: NDArray[np.float32] | None = None,
        rotaries: Sequence[tuple[NDArray[np.float32], NDArray[np.float32]]] = (),
        layers: Sequence[Layer],
        isa: str = "",
    ) -> None: ...
    @property
    def vocab(self) -> int: ...
    @property
    def bytes_per_token(self) -> int: ...
    @property
    def isa(self) -> str: ...

class Session:
    """Sequences that a model continues.  Not for two threads at once."""

    def __init__(
        self,
        model: Model,
        *,
        sequences: int = 1,
        threads: int = 1,
        cache: str = "float32",
        activations: str = "int8",
        pin: bool = False,
    ) -> None: ...
    @property
    def sequences(self) -> int: ...
    @property
    def threads(self) -> int: ...
    @property
    def cache_bytes_per_token(self) -> int: ...
    def length(self, sequence: int = 0) -> int: ...
    def truncate(self, length: int, sequence: int = 0) -> None: ...
    def forward(
        self, ids: NDArray[np.int32], parts: Sequence[tuple[int, int]], *, every: bool = False
    ) -> NDArray[np.float32]: ...

class Timing:
    """Times kernels and models beside the limits of the machine: a number per round, which measures both in turn."""

    def __init__(self, *, threads: int, bytes: int, isa: str = "") -> None: ...  # noqa: A002
    @property
    def threads(self) -> int: ...
    def products(
        self, matrices: Sequence[Matrix], *, tokens: int, read: bool, seconds: float
    ) -> tuple[list[float], list[float]]: ...
    def decode(
        self, session: Session, *, past: int, tokens: int, seconds: float
    ) -> tuple[list[float], list[float], list[float]]: ...
    def prompt(self, session: Session, *, tokens: int, seconds: float) -> tuple[list[float], list[float]]: ...

compiler: str

def known_isas() -> list[str]: ...
def supported_isas() -> list[str]: ...
def huge_pages() -> bool: ...
def find_isa(name: str) -> str: ...
def encode_levels(
    levels: NDArray[Any], context: NDArray[np.uint8] | None = None, *, rows: bool = False, columns: bool = False
) -> bytes:
    """int8, uint8 or int64 [rows, cols]: see pentanet.archive.coder."""

def decode_levels(data: NDArray[np.uint8], out: NDArray[Any], context: NDArray[np.uint8] | None = None) -> None:
    """Fill `out`, int8, uint8 or int64 [rows, cols]."""
