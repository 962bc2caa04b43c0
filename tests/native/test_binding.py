"""pentanet._native against the Python layouts and numpy: equality, on every instruction set; and what it refuses."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from pentanet.errors import CodeError, EngineError
from pentanet.format.layouts import LAYOUTS, Layout
from pentanet.grid import GRIDS
from pentanet.kernels import native

native_module = pytest.importorskip("pentanet._native", reason="the engine was not compiled")
ISAS = native_module.supported_isas()
PAIRS = [(layout, grid) for layout in LAYOUTS.values() for grid in GRIDS.values() if layout.accepts(grid)]


def matrix(stored: Layout, grid: Any, levels: Any, scales: Any, **changes: Any) -> Any:
    rows, cols = levels.shape
    on = {"lowest": grid.lowest, "spacing": grid.spacing, "size": grid.size}
    known = {"layout": stored.name, **on, "rows": rows, "cols": cols}
    return native_module.Matrix.coded(stored.encode(levels, grid), scales, **(known | changes))


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize(("layout", "grid"), PAIRS, ids=lambda x: x.name)
@pytest.mark.parametrize(("rows", "cols", "groups"), [(1, 4, 1), (37, 120, 1), (20, 84, 7), (5, 264, 2)])
def test_sums_are_those_of_the_levels(isa: str, layout: Layout, grid: Any, rows: int, cols: int, groups: int) -> None:
    random = np.random.default_rng(rows)
    levels = layout.draw(random, grid, rows, cols)
    scales = random.uniform(0.1, 1, (rows, groups)).astype(np.float32)
    made = matrix(layout, grid, levels, scales, isa=isa)
    for tokens in (1, 5, 11):
        x = random.integers(-127, 128, (tokens, cols), np.int8)
        parts = np.einsum(
            "tgc,rgc->gtr",
            x.reshape(tokens, groups, -1).astype(np.int32),
            levels.reshape(rows, groups, -1).astype(np.int32),
        )
        np.testing.assert_array_equal(made.sums(x, threads=2), parts)
        # With 127 as its largest value, an activation is its own rounding, and its scale is 1.
        x[:, 0] = 127
        parts = np.einsum(
            "tgc,rgc->gtr",
            x.reshape(tokens, groups, -1).astype(np.int32),
            levels.reshape(rows, groups, -1).astype(np.int32),
        )
        total = np.zeros((tokens, rows), np.float32)
        for group in range(groups):
            total += parts[group].astype(np.float32) * scales[:, group]
        np.testing.assert_array_equal(made.apply(x.astype(np.float32)), total)
        bias = random.normal(size=rows).astype(np.float32)
        with_bias = matrix(layout, grid, levels, scales, isa=isa, bias=bias)
        np.testing.assert_array_equal(with_bias.apply(x.astype(np.float32), threads=2), total + bias)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("groups", [1, 7])
@pytest.mark.parametrize("tokens", [1, 5, 11])
def test_tokens_that_are_rounded_twice(isa: str, groups: int, tokens: int) -> None:
    """Exact sums, then these float32 operations in this order; coarse tokens alone with "adaptive"."""
    random = np.random.default_rng(tokens)
    layout, grid, rows, cols = LAYOUTS["pentanary-7bit"], GRIDS["pentanary"], 37, 84
    levels = layout.draw(random, grid, rows, cols)
    scales, bias = random.uniform(0.1, 1, (rows, groups)), random.normal(size=rows)
    made = matrix(layout, grid, levels, scales.astype(np.float32), isa=isa, bias=bias.astype(np.float32))
    x = random.normal(size=(tokens, cols)).astype(np.float32)
    x[::2, 5] = 40  # far out: a sixteenth of the others' levels

    def rounded(x: Any) -> tuple[Any, Any]:
        scale = np.abs(x).max(-1, keepdims=True) / np.float32(127)
        return np.rint(x / scale).astype(np.int8), scale

    def product(q: Any, scale: Any) -> Any:
        total = np.zeros((tokens, rows), np.float32)
        for group, sums in enumerate(made.sums(q)):
            total += sums.astype(np.float32) * scales.astype(np.float32)[:, group]
        return total * scale

    q, scale = rounded(x)
    once = product(q, scale) + bias.astype(np.float32)
    twice = once + product(*rounded(x - q.astype(np.float32) * scale))
    for threads in (1, 3):
        np.testing.assert_array_equal(made.apply(x, threads), once)
        np.testing.assert_array_equal(made.apply(x, threads, "int8x2"), twice)
        mixed = np.where(np.arange(tokens)[:, None] % 2 == 0, twice, once)
        np.testing.assert_array_equal(made.apply(x, threads, "adaptive"), mixed)
    exact = x @ (levels * np.repeat(scales, cols // groups, 1)).T + bias
    assert np.abs(twice - exact).max() < 0.03 * np.abs(once - exact).max()
    with pytest.raises(ValueError, match="unknown name 'int4'"):
        made.apply(x, 1, "int4")


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("isa", ISAS)
def test_plain_matrices(isa: str, dtype: str) -> None:
    random = np.random.default_rng(0)
    values = (random.integers(-64, 65, (19, 77)) / 64).astype(np.float32)  # exact in bfloat16
    stored = values if dtype == "float32" else (values.view(np.uint32) >> 16).astype(np.uint16)
    made = native_module.Matrix.plain(stored.reshape(-1).view(np.uint8), dtype=dtype, rows=19, cols=77, isa=isa)
    x = random.normal(size=(3, 77)).astype(np.float32)
    np.testing.assert_allclose(made.apply(x, threads=3), x @ values.T, rtol=0, atol=2e-5)


def good() -> tuple[Layout, Any, Any, Any]:
    levels = np.zeros((20, 24), np.int8)
    return LAYOUTS["pentanary-7bit"], GRIDS["pentanary"], levels, np.ones((20, 1), np.float32)


@pytest.mark.parametrize(
    "changes",
    [
        {"rows": 40},
        {"rows": 0},
        {"cols": -1},
        {"cols": 1 << 20},
        {"layout": "pentanary-8bit"},
        {"layout": "pentanary-nibbles"},
        {"layout": "byte"},
        {"lowest": 1 << 20},
        {"size": 4},
        {"size": 0},
        {"spacing": 0},
        {"isa": "mmx"},
    ],
    ids=str,
)
def test_what_does_not_fit_is_refused(changes: dict[str, Any]) -> None:
    matrix(*good())
    with pytest.raises(ValueError, match=r"\w"):
        matrix(*good(), **changes)


@pytest.mark.parametrize("shape", [(1, 2), (2, 1), (20, 5), (0, 0)])
def test_scales_that_do_not_fit_are_refused(shape: tuple[int, int]) -> None:
    layout, grid, levels, _ = good()
    with pytest.raises(ValueError, match="scale"):
        matrix(layout, grid, levels, np.ones(shape, np.float32))


@pytest.mark.parametrize("size", [0, 1, 19, 21, 32])
def test_a_bias_that_does_not_fit_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="a bias has one value for each row"):
        matrix(*good(), bias=np.ones(size, np.float32))


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize(("layout", "grid"), PAIRS, ids=lambda x: x.name)
def test_what_the_reader_refuses_the_engine_refuses(isa: str, layout: Layout, grid: Any) -> None:
    # The C++ tests do the same with many more bytes, against an encoder of their own.
    random = np.random.default_rng(3)
    levels = layout.draw(random, grid, 17, 36)
    encoded, scales = layout.encode(levels, grid), np.ones((17, 1), np.float32)
    on = {"lowest": grid.lowest, "spacing": grid.spacing, "size": grid.size}
    for _ in range(30):
        damaged = encoded.copy()
        damaged[random.integers(damaged.size)] = random.integers(256)
        try:
            layout.decode(damaged, grid, 17, 36)
            refusal = contextlib.nullcontext()
        except CodeError:
            refusal = pytest.raises(ValueError, match=f"not a code of '{layout.name}'.*damaged")
        with refusal:
            native_module.Matrix.coded(damaged, scales, layout=layout.name, **on, rows=17, cols=36, isa=isa)


def test_activations_that_do_not_fit_are_refused() -> None:
    made = matrix(*good())
    with pytest.raises(ValueError, match="width"):
        made.sums(np.zeros((1, 23), np.int8))
    with pytest.raises(ValueError, match="width"):
        made.apply(np.zeros((1, 25), np.float32))
    with pytest.raises(TypeError):
        made.apply(np.zeros(24, np.float32))
    assert made.apply(np.zeros((0, 24), np.float32)).shape == (0, 20)


def test_arrays_live_as_long_as_the_matrix() -> None:
    layout, grid, _, scales = good()
    made = matrix(layout, grid, np.full((20, 24), 2, np.int8), scales)
    junk = [np.full(layout.packed_size(20, 24), 255, np.uint8) for _ in range(64)]
    assert made.sums(np.full((1, 24), 3, np.int8)).tolist() == [[[24 * 2 * 3] * 20]], len(junk)


def test_the_variable_chooses_the_instruction_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for isa in ISAS:
        monkeypatch.setenv(native.ISA_VARIABLE, isa)
        assert native.instruction_set() == isa
    monkeypatch.delenv(native.ISA_VARIABLE)
    fastest = [isa for isa in ISAS if not isa.startswith("shift-add")][-1]
    assert native.instruction_set() == fastest, "those without multiplication are chosen by name only"
    monkeypatch.setenv(native.ISA_VARIABLE, "avx3")
    with pytest.raises(EngineError, match=r"PENTANET_ISA.*'avx3'.*Known: scalar"):
        native.instruction_set()
    monkeypatch.setenv(native.ISA_VARIABLE, "avx\udcff")  # a byte that is no UTF-8
    with pytest.raises(EngineError, match=r"PENTANET_ISA: 'avx\\udcff' names no instruction set"):
        native.instruction_set()


def test_a_missing_engine_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "_NAME", "pentanet._not_there")
    assert not native.available()
    with pytest.raises(EngineError, match=r"C\+\+20 compiler.*--engine torch"):
        native.instruction_set()


def test_leaving_python_leaves_no_thread_behind() -> None:
    code = (
        "import os; import numpy as np; from pentanet import _native as n;"
        "made = n.Matrix.plain(np.zeros(64, np.uint8), dtype='float32', rows=4, cols=4);"
        "threads = lambda: len(os.listdir('/proc/self/task')) if os.path.exists('/proc/self/task') else 1;"
        "before = threads(); made.apply(np.ones((2, 4), np.float32), 4); print(threads() - before)"
    )
    left = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (left.returncode, left.stdout, left.stderr) == (0, "0\n", "")


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("activations", ["int8", "int8x2", "adaptive"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_activations_that_are_not_finite_are_refused(isa: str, activations: str, bad: float) -> None:
    made = matrix(*good(), isa=isa)
    for place in range(24):
        x = np.ones((3, 24), np.float32)
        x[1, place] = bad
        with pytest.raises(OverflowError, match="NaN or infinite"):
            made.apply(x, 2, activations)


def test_too_many_threads_are_refused() -> None:
    with pytest.raises(ValueError, match="40000 threads: at most 1024"):
        matrix(*good()).apply(np.ones((1, 24), np.float32), 40_000)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks Linux how much memory a process has")
def test_threads_that_the_system_does_not_start_are_an_error() -> None:
    code = (
        "import resource; import numpy as np; from pentanet import _native as n;"
        "made = n.Matrix.plain(np.zeros(64, np.uint8), dtype='float32', rows=4, cols=4);"
        "used = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize();"
        "resource.setrlimit(resource.RLIMIT_AS, (used + (1 << 28),) * 2); made.apply(np.ones((2, 4), np.float32), 1000)"
    )
    left = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert left.returncode == 1
    assert re.search(r"ValueError: 1000 threads: the system starts only \d+", left.stderr), left.stderr
