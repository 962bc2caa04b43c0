"""What a packed model is made of: coded matrices and plain tensors, and their specifications."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray

from pentanet import grid as grids
from pentanet.codes import Codes
from pentanet.errors import (
    BiasError,
    ModelConfigError,
    NonFiniteWeightError,
    ScaleError,
    ShapeError,
    UnknownNameError,
    UnpackableError,
    did_you_mean,
)
from pentanet.format import layouts
from pentanet.format.header import MAX_DIMENSIONS, Entry
from pentanet.grid import Grid

MAX_PLANES = 3
_BLOCK = 1 << 20  # look at so many values at a time
BAD_FLOAT32, BAD_BFLOAT16 = 0x7F800000, 0x7F80  # bits of infinity; NaN is above
_BAD_ROUNDED = 0x7F7F8000  # of the least float32 that becomes infinite in bfloat16
PLAIN_DTYPES = {"bfloat16": "BF16", "float32": "F32"}


@dataclass(frozen=True, slots=True)
class CodedSpec:
    """How a coded matrix is stored.

    Attributes:
        shape: (rows, cols).
        grid: the levels.
        layout: name of the layout of the codes.
        scales: shape of the float32 scales: (1, 1), (rows, 1) or (rows, groups); with planes (rows, planes * groups).
        bias: a float32 bias [rows] stands beside them.
        planes: so many matrices stand side by side and are added up.
    """

    shape: tuple[int, int]
    grid: Grid
    layout: str
    scales: tuple[int, int]
    bias: bool = False
    planes: int = 1

    @property
    def inputs(self) -> int:
        """Columns as they are stored."""
        return self.planes * self.shape[1]

    @property
    def storage(self) -> str:
        """As written in config.json."""
        return self.layout

    @property
    def parameters(self) -> int:
        """Number of weights."""
        return math.prod(self.shape)

    def entries(self, name: str) -> dict[str, Entry]:
        """The stored tensors: codes under the tensor's name, scales and bias beside them."""
        size = layouts.layout(self.layout).packed_size(self.shape[0], self.inputs)
        found = {name: Entry("U8", (size,)), scale_name(name): Entry("F32", self.scales)}
        return {**found, bias_name(name): Entry("F32", self.shape[:1])} if self.bias else found

    def to_json(self) -> dict[str, object]:
        """As written in config.json."""
        storage = {"storage": self.layout, "grid": self.grid.name}
        sizes = {"shape": list(self.shape), "scales": list(self.scales)}
        planes = {"planes": self.planes} if self.planes > 1 else {}
        return {**storage, **sizes, **planes, **({"bias": True} if self.bias else {})}


@dataclass(frozen=True, slots=True)
class PlainSpec:
    """How a plain tensor is stored: shape and "bfloat16" or "float32"."""

    shape: tuple[int, ...]
    dtype: str

    @property
    def storage(self) -> str:
        """As written in config.json."""
        return self.dtype

    @property
    def parameters(self) -> int:
        """Number of values."""
        return math.prod(self.shape)

    def entries(self, name: str) -> dict[str, Entry]:
        """The stored tensor."""
        return {name: Entry(PLAIN_DTYPES[self.dtype], self.shape)}

    def to_json(self) -> dict[str, object]:
        """As written in config.json."""
        return {"storage": self.dtype, "shape": list(self.shape)}


TensorSpec = CodedSpec | PlainSpec


@dataclass(frozen=True, slots=True, eq=False)
class Coded:
    """A quantized matrix, to be stored in a layout (`layouts.densest_layout(codes)` is the default)."""

    codes: Codes
    layout: str

    @property
    def spec(self) -> CodedSpec:
        """What config.json will say of it."""
        rows, groups = self.codes.scales.shape
        codes = self.codes
        return CodedSpec(
            codes.shape, codes.grid, self.layout, (rows, groups), codes.bias is not None, planes=codes.planes
        )

    def check(self, name: str) -> None:
        """Refuse what the reader would refuse.

        Raises:
            UnknownNameError: no such layout.
            UnpackableError: the layout does not hold the matrix, or the grid is not in the registry.
            ScaleError: see `check_scales`.
            BiasError: see `check_bias`.
        """
        layouts.layout(self.layout).check(self.codes.grid, self.codes.levels.shape[1], name)
        if grids.GRIDS.get(self.codes.grid.name) != self.codes.grid:
            raise UnpackableError(f"tensor '{name}': grid '{self.codes.grid.name}' is not in pentanet.grid.GRIDS")
        check_scales(self.codes.scales, self.codes.grid, name)
        if self.codes.bias is not None:
            check_bias(self.codes.bias, name)

    def blocks(self, name: str) -> dict[str, NDArray[np.uint8]]:
        """Bytes of each stored tensor.  Raises CodeError for levels off the grid."""
        packed = layouts.layout(self.layout).encode(self.codes.levels, self.codes.grid, name)
        found = {name: packed, scale_name(name): _bytes(self.codes.scales.astype("<f4", copy=False))}
        if self.codes.bias is not None:
            found[bias_name(name)] = _bytes(self.codes.bias.astype("<f4", copy=False))
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Plain:
    """A float32 array, to be stored as "float32" or rounded to "bfloat16" (ties to even)."""

    values: NDArray[np.float32]
    dtype: str = "bfloat16"

    @property
    def spec(self) -> PlainSpec:
        """What config.json will say of it."""
        return PlainSpec(self.values.shape, self.dtype)

    def check(self, name: str) -> None:
        """Refuse what the reader would refuse.

        Raises:
            UnpackableError: no such storage.
            ShapeError: not float32, empty, or too many dimensions.
            NonFiniteWeightError: see `check_values`.
        """
        if self.dtype not in PLAIN_DTYPES:
            raise UnpackableError(
                f"tensor '{name}': no storage '{self.dtype}'.{did_you_mean(self.dtype, PLAIN_DTYPES)}"
            )
        values = self.values
        if values.dtype != np.float32 or values.size == 0 or values.ndim > MAX_DIMENSIONS:
            raise ShapeError(f"tensor '{name}': expected non-empty float32, got {values.dtype} {list(values.shape)}")
        bits = np.ascontiguousarray(values).view(np.uint32)
        check_values(bits, name, _BAD_ROUNDED if self.dtype == "bfloat16" else BAD_FLOAT32)

    def blocks(self, name: str) -> dict[str, NDArray[np.uint8]]:
        """Bytes of the stored tensor."""
        stored = to_bfloat16(self.values) if self.dtype == "bfloat16" else self.values.astype("<f4", copy=False)
        return {name: _bytes(stored)}


Tensor = Coded | Plain


class Storable(Protocol):
    """What can be written: `Coded`, `Plain`, or bytes that wait on the disk."""

    @property
    def spec(self) -> TensorSpec: ...
    def check(self, name: str) -> None: ...
    def blocks(self, name: str) -> dict[str, NDArray[np.uint8]]: ...


def scale_name(name: str) -> str:
    """Name of the scales of a coded tensor."""
    return f"{name}_scale"


def bias_name(name: str) -> str:
    """Name of the bias of a coded tensor."""
    return f"{name}_bias"


def check_scales(scales: NDArray[np.float32], grid: Grid, name: str) -> None:
    """Refuse scales that are not positive and finite, or that make weights which are not finite.

    Raises:
        ScaleError: names the first of them.
    """
    # A product that overflows float32 is what is asked for here: it is bad, like an infinite scale.
    highest = np.float32(max(abs(grid.lowest), abs(grid.highest)))
    with np.errstate(over="ignore", invalid="ignore"):
        bad = ~((scales > 0) & np.isfinite(scales * highest))
    if bad.any():
        row, group = np.argwhere(bad)[0]
        raise ScaleError(
            f"tensor '{name}': scale {scales[row, group]} of row {row}, group {group} is not positive and finite. "
            "Train or pack the model again; its weights are unusable."
        )


def check_bias(bias: NDArray[np.float32], name: str) -> None:
    """Refuse a bias that is not finite.

    Raises:
        BiasError: names the first row.
    """
    bad = np.flatnonzero(~np.isfinite(bias))
    if bad.size:
        raise BiasError(
            f"tensor '{name}': bias {bias[bad[0]]} of row {bad[0]} is not finite. "
            "Train or pack the model again; its weights are unusable."
        )


def check_values(bits: NDArray[np.uint16] | NDArray[np.uint32], name: str, bad: int) -> None:
    """Refuse plain values that are not finite, by their bits without the sign: from `bad` on.

    Raises:
        NonFiniteWeightError: names the first.
    """
    size = np.array(np.iinfo(bits.dtype).max >> 1, bits.dtype)
    flat = bits.reshape(-1)
    for start in range(0, flat.size, _BLOCK):
        sizes = flat[start : start + _BLOCK] & size
        if int(sizes.max()) >= bad:
            raise NonFiniteWeightError(
                f"tensor '{name}': value {start + int(np.argmax(sizes >= bad))} is not finite. "
                "Train or pack the model again; its weights are unusable."
            )


def to_bfloat16(values: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Round float32 to bfloat16 bits, ties to even; NaN stays NaN."""
    bits = np.ascontiguousarray(values).reshape(-1).view(np.uint32)
    high = bits >> np.uint32(16)
    rounded = (bits + (np.uint32(0x7FFF) + (high & np.uint32(1)))) >> np.uint32(16)
    stored = np.where(np.isnan(values).reshape(-1), high | np.uint32(0x40), rounded)
    return stored.astype("<u2").reshape(values.shape)


def from_bfloat16(bits: NDArray[np.uint16]) -> NDArray[np.float32]:
    """The float32 values of bfloat16 bits, exactly."""
    return (bits.astype(np.uint32) << np.uint32(16)).view(np.float32)


def spec_from_json(name: str, value: object, where: str) -> TensorSpec:
    """Read one tensor's specification in config.json.

    Args:
        name: the tensor.
        value: what the file says.
        where: the file, for messages.

    Raises:
        ModelConfigError: anything that `to_json` does not write.
    """
    file, where = where, f"{where}: tensor '{name}'"
    if not isinstance(value, dict):
        raise ModelConfigError(f"{where}: not a JSON object. Pack the model again.")
    fields = cast("dict[str, object]", value)
    storage = str(fields.get("storage"))
    plain = storage in PLAIN_DTYPES
    expected = ["storage", "shape"] if plain else ["storage", "grid", "shape", "scales"]
    allowed = expected if plain else [*expected, "bias", "planes"]
    for key in fields:
        if key not in allowed:
            raise ModelConfigError(f"{where}: unknown key '{key}'.{did_you_mean(key, allowed)}")
    for key in expected:
        if key not in fields:
            raise ModelConfigError(f"{where}: key '{key}' is missing. Pack the model again.")
    shape = _shape(fields["shape"], where)
    if plain:
        return PlainSpec(shape, storage)
    try:
        return _coded_spec(name, fields, shape)
    except (UnknownNameError, ModelConfigError) as error:
        raise ModelConfigError(f"{where}: {error}") from None
    except UnpackableError as error:  # names the tensor itself
        raise ModelConfigError(f"{file}: {error}") from None


def _coded_spec(name: str, fields: dict[str, object], shape: tuple[int, ...]) -> CodedSpec:
    grid, storage = grids.grid(str(fields["grid"])), str(fields["storage"])
    layout = layouts.layout(storage)
    scales = _shape(fields["scales"], "scales")
    planes = _planes(fields, grid)
    if len(shape) != 2 or not _scales_fit(scales, shape, planes):
        raise ModelConfigError(f"scales {list(scales)} do not fit the shape {list(shape)}. Pack it again.")
    layout.check(grid, planes * shape[1], name)
    if fields.get("bias", True) is not True:
        raise ModelConfigError(f"bias is {fields['bias']!r:.40}, not true; leave the key out where there is none")
    return CodedSpec((shape[0], shape[1]), grid, storage, (scales[0], scales[1]), "bias" in fields, planes)


def _planes(fields: dict[str, object], grid: Grid) -> int:
    planes = fields.get("planes", 2)
    if type(planes) is not int or not 2 <= planes <= MAX_PLANES or ("planes" in fields and grid != grids.TERNARY):
        raise ModelConfigError(
            f"planes is {planes!r:.40} on grid '{grid.name}': 2 to {MAX_PLANES} ternary ones can be added; "
            "leave the key out where there is one"
        )
    return planes if "planes" in fields else 1


def _scales_fit(scales: tuple[int, ...], shape: tuple[int, ...], planes: int) -> bool:
    rows, cols = shape
    if len(scales) != 2 or scales[1] % planes:
        return False
    return scales == (1, 1) or (scales[0] == rows and cols % (scales[1] // planes) == 0)


def _shape(value: object, where: str) -> tuple[int, ...]:
    items = cast("list[object]", value) if isinstance(value, list) else [None]
    numbers = tuple(item for item in items if type(item) is int and item > 0)  # type(): True is an int as well
    if len(numbers) != len(items) or len(numbers) > MAX_DIMENSIONS:
        raise ModelConfigError(f"{where}: {value!r:.80} is not a shape (positive integers). Pack the model again.")
    return numbers


def _bytes(array: NDArray[np.float32] | NDArray[np.uint16]) -> NDArray[np.uint8]:
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8)
