"""The model directory: round trips, refusals, and writers that fail halfway."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from edits import edit_config, reseal
from hypothesis import given
from hypothesis import strategies as st

from pentanet import atomic
from pentanet.codes import Codes
from pentanet.errors import (
    BiasError,
    ChecksumError,
    CodeError,
    MissingFileError,
    MissingTensorError,
    ModelConfigError,
    PentaNetError,
    ScaleError,
    SealError,
    ShapeError,
    UnconfirmedWriteError,
    UnexpectedTensorError,
    UnknownNameError,
    UnpackableError,
    UnsafeFileError,
    VersionError,
    WriteError,
)
from pentanet.format import container, model_dir
from pentanet.format.header import Entry
from pentanet.format.model_dir import open_model, planned_bytes, write_into, write_model
from pentanet.format.tensors import Coded, Plain, PlainSpec, Tensor, from_bfloat16, to_bfloat16
from pentanet.grid import PENTANARY
from pentanet.linear_options import ACTIVATIONS, Activations

FILES = ["README.md", "config.json", "model.safetensors", "tokenizer.json"]


def write(
    out: Path,
    tensors: dict[str, Tensor],
    *,
    overwrite: bool = False,
    activations: Activations = "none",
    **config: object,
) -> None:
    write_model(
        out,
        config=config,
        tensors=tensors,
        method="pentanary",
        tokenizer=b"{}",
        card="# Card\n",
        activations=activations,
        overwrite=overwrite,
    )


def listing(path: Path) -> list[str]:
    return sorted(entry.name for entry in path.iterdir())


def same(a: np.ndarray[Any, Any], b: np.ndarray[Any, Any]) -> bool:
    """Equal bits, shape and type."""
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def test_round_trip(pristine: Path, tensors: dict[str, Tensor]) -> None:
    opened = open_model(pristine)
    assert opened.method == "pentanary"
    assert opened.config["hidden_size"] == 24
    assert opened.names == tuple(tensors)
    assert opened.tokenizer_path == pristine / "tokenizer.json"
    assert (pristine / "README.md").read_text() == "# Card\n"
    for name, tensor in tensors.items():
        assert opened.spec(name) == tensor.spec
        assert opened.shape(name) == tensor.spec.shape
        if isinstance(tensor, Coded):
            codes = opened.codes(name)
            assert (codes.bias is None) == (tensor.codes.bias is None)
            assert codes.bias is None or same(codes.bias, tensor.codes.bias)
            assert same(codes.levels, tensor.codes.levels)
            assert same(codes.scales, tensor.codes.scales)
            assert same(opened.rows(name, 0, codes.shape[0]), tensor.codes.dequantize())
        else:
            exact = tensor.dtype == "float32"
            assert same(opened.plain(name), tensor.values if exact else from_bfloat16(to_bfloat16(tensor.values)))


@given(data=st.data())
def test_rows(pristine: Path, tensors: dict[str, Tensor], data: st.DataObject) -> None:
    opened = open_model(pristine, verify=False)
    name = data.draw(st.sampled_from([name for name, tensor in tensors.items() if len(tensor.spec.shape) == 2]))
    rows = opened.shape(name)[0]
    start = data.draw(st.integers(0, rows))
    stop = data.draw(st.integers(start, rows))
    tensor = tensors[name]
    weights = tensor.codes.dequantize() if isinstance(tensor, Coded) else tensor.values
    assert same(opened.rows(name, start, stop), weights[start:stop])


def test_rows_of_bfloat16(tmp_path: Path) -> None:
    values = from_bfloat16(to_bfloat16(np.random.default_rng(0).standard_normal((9, 5)).astype(np.float32)))
    write(tmp_path / "model", {"w": Plain(values)})
    assert same(open_model(tmp_path / "model").rows("w", 2, 7), values[2:7])


def test_results_are_the_callers(pristine: Path) -> None:
    """What is handed out may be changed, and stays when the model is gone."""
    opened = open_model(pristine)
    for array in (opened.plain("norm.weight"), opened.plain("bias"), opened.scales("up.weight")):
        array += 1
    assert not np.array_equal(opened.plain("bias"), array)


def test_planned_bytes(pristine: Path, tensors: dict[str, Tensor]) -> None:
    size = (pristine / "model.safetensors").stat().st_size
    assert planned_bytes({name: tensor.spec for name, tensor in tensors.items()}) == size
    assert open_model(pristine).nbytes == size


def test_footprints_and_header_make_the_file(pristine: Path) -> None:
    opened = open_model(pristine)
    data = (pristine / "model.safetensors").read_bytes()
    header = 8 + int.from_bytes(data[:8], "little")
    assert header + sum(opened.footprint(name) for name in opened.names) == len(data)


def test_same_input_same_bytes(pristine: Path, tmp_path: Path, tensors: dict[str, Tensor]) -> None:
    write(tmp_path / "again", tensors, model_type="llama", hidden_size=24)
    for name in FILES:
        assert (tmp_path / "again" / name).read_bytes() == (pristine / name).read_bytes()


def test_without_tokenizer(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "model"
    write_model(out, config={}, tensors={"w": Plain(np.ones(3, np.float32))}, method="m", tokenizer=None, card="")
    assert listing(out) == FILES[:3]
    assert open_model(out).tokenizer_path is None


def test_wrong_questions(pristine: Path) -> None:
    opened = open_model(pristine)
    with pytest.raises(UnknownNameError, match=r"Did you mean 'norm.weight'"):
        opened.plain("nrm.weight")
    with pytest.raises(ModelConfigError, match=r"'up.weight' is stored as 'pentanary-7bit', not as plain"):
        opened.plain("up.weight")
    for ask in (opened.codes, opened.scales):
        with pytest.raises(ModelConfigError, match="'bias' is stored as 'float32', not as codes"):
            ask("bias")
    for name, start, stop in (
        ("up.weight", 0, 36),
        ("up.weight", -1, 3),
        ("bias", 0, 4),
        ("bias", 2, 1),
        ("one", 0, 1),
    ):
        with pytest.raises(ShapeError, match=f"'{name}'"):
            opened.rows(name, start, stop)


# -- what the reader refuses ---------------------------------------------------------------------------------------

Change = Callable[[dict[str, Any]], object]
BAD_CONFIGS: dict[str, tuple[Change, type[PentaNetError], str]] = {
    "a list": (lambda config: [config], ModelConfigError, "not a JSON object"),
    "not quantized": (lambda config: {}, ModelConfigError, "not a model packed by pentanet"),
    "another packer": (lambda config: _quant(config, quant_method="gptq"), ModelConfigError, "not a model packed"),
    "newer": (lambda config: _quant(config, format_version=2), VersionError, "format version 2"),
    "version is text": (lambda config: _quant(config, format_version="1"), VersionError, "format version '1'"),
    "version is a bool": (lambda config: _quant(config, format_version=True), VersionError, "format version True"),
    "unknown key": (lambda config: _quant(config, methods="x"), ModelConfigError, "Did you mean 'method'"),
    "method is null": (lambda config: _quant(config, method=None), ModelConfigError, "needs 'method'"),
    "no tensors": (lambda config: _quant(config, tensors={}), ModelConfigError, "needs 'method'"),
    "tensors in a list": (lambda config: _quant(config, tensors=[1]), ModelConfigError, "needs 'method'"),
    "bad spec": (lambda config: _tensor(config, "bias", None), ModelConfigError, "'bias': not a JSON object"),
    "bad name": (lambda config: _tensor(config, "../x", _spec(config, "bias")), ModelConfigError, "a name has"),
    "scales of another": (
        lambda config: _tensor(config, "up.weight_scale", _spec(config, "bias")),
        ModelConfigError,
        "'up.weight_scale': two tensors",
    ),
    "a tensor more": (lambda config: _tensor(config, "x", _spec(config, "bias")), MissingTensorError, "'x'"),
    "another plain shape": (
        lambda config: _tensor(config, "bias", {"storage": "float32", "shape": [7, 3]}),
        ShapeError,
        r"'bias' is F32 \[3, 7\], but config.json makes it F32 \[7, 3\]",
    ),
    "another plain type": (
        lambda config: _tensor(config, "bias", {"storage": "bfloat16", "shape": [3, 7]}),
        ShapeError,
        r"'bias' is F32 \[3, 7\], but config.json makes it BF16 \[3, 7\]",
    ),
    "more rows": (
        lambda config: _tensor(
            config, "up.weight", {**_spec(config, "up.weight"), "shape": [70, 24], "scales": [70, 1]}
        ),
        ShapeError,
        "'up.weight' is U8",
    ),
    "huge": (
        lambda config: _tensor(
            config, "up.weight", {**_spec(config, "up.weight"), "shape": [2**60, 24], "scales": [1, 1]}
        ),
        ShapeError,
        "'up.weight' is U8",
    ),
    "other scales": (
        lambda config: _tensor(config, "up.weight", {**_spec(config, "up.weight"), "scales": [35, 2]}),
        ShapeError,
        r"'up.weight_scale' is F32 \[35, 1\], but config.json makes it F32 \[35, 2\]",
    ),
    "coded as plain": (
        lambda config: _tensor(config, "up.weight", {"storage": "float32", "shape": [35, 24]}),
        ShapeError,
        "'up.weight' is U8",
    ),
    "a bias that is not there": (
        lambda config: _tensor(config, "up.weight", {**_spec(config, "up.weight"), "bias": True}),
        MissingTensorError,
        "'up.weight_bias'",
    ),
    "a bias that is denied": (
        lambda config: _tensor(config, "down.weight", _without_bias(_spec(config, "down.weight"))),
        UnexpectedTensorError,
        "'down.weight_bias' is not in config.json",
    ),
    "a bias that is no truth": (
        lambda config: _tensor(config, "down.weight", {**_spec(config, "down.weight"), "bias": 1}),
        ModelConfigError,
        "'down.weight': bias is 1, not true",
    ),
    "a bias of plain values": (
        lambda config: _tensor(config, "bias", {**_spec(config, "bias"), "bias": True}),
        ModelConfigError,
        "'bias': unknown key 'bias'",
    ),
    "unknown activations": (
        lambda config: _quant(config, activations="int4"),
        ModelConfigError,
        "activations 'int4' is none that this release knows. Did you mean 'int8'",
    ),
    "unknown low rank": (lambda config: _quant(config, low_rank="gate"), ModelConfigError, "Did you mean 'gated'"),
    "activations in a list": (lambda config: _quant(config, activations=["int8"]), ModelConfigError, "activations"),
    "fewer tensors": (lambda config: _tensor(config, "bias"), UnexpectedTensorError, "'bias' is not in config.json"),
}


def _without_bias(spec: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in spec.items() if key != "bias"}


def _quant(config: dict[str, Any], **fields: object) -> dict[str, Any]:
    return {**config, "quantization_config": {**config["quantization_config"], **fields}}


def _spec(config: dict[str, Any], name: str) -> Any:
    return config["quantization_config"]["tensors"][name]


def _tensor(config: dict[str, Any], name: str, *spec: object) -> dict[str, Any]:
    """Replace or add the specification of a tensor, or drop it if none is given."""
    rest = {key: value for key, value in config["quantization_config"]["tensors"].items() if key != name}
    return _quant(config, tensors=rest | dict.fromkeys([name][: len(spec)], *spec))


@pytest.mark.parametrize("name", BAD_CONFIGS)
def test_bad_config(model: Path, name: str) -> None:
    change, error, message = BAD_CONFIGS[name]
    edit_config(model, change)
    with pytest.raises(error, match=message) as caught:
        open_model(model)
    assert type(caught.value) is error


@pytest.mark.parametrize(
    "text", [b"", b"{", b"\xff", b'{"a": 1, "a": 2}', b'{"a": NaN}', b"[" * 100_000, b'{"a": ' + b"1" * 5000 + b"}"]
)
def test_config_that_is_not_json(model: Path, text: bytes) -> None:
    (model / "config.json").write_bytes(text)
    with pytest.raises(ModelConfigError, match=str(model / "config.json")):
        open_model(model)


def test_config_too_large(model: Path) -> None:
    (model / "config.json").write_bytes(b" " * (1 << 24) + b"{}")
    with pytest.raises(ModelConfigError, match="larger than"):
        open_model(model)


@pytest.mark.skipif(os.name == "nt", reason="links of POSIX")
@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json", "generation_config.json"])
def test_a_link_out_of_the_directory_is_refused(model: Path, tmp_path: Path, name: str) -> None:
    elsewhere = tmp_path / "elsewhere"
    if (model / name).exists():
        (model / name).rename(elsewhere)
    else:
        elsewhere.write_text("{}")
    (model / name).symlink_to(elsewhere)
    with pytest.raises(UnsafeFileError, match=rf"{name}: is a link to .*elsewhere"):
        open_model(model)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_missing_file(model: Path, name: str) -> None:
    (model / name).unlink()
    with pytest.raises(MissingFileError, match=str(model / name)):
        open_model(model)
    (model / name).mkdir()
    with pytest.raises(UnsafeFileError, match=str(model / name)):
        open_model(model)


def test_missing_directory(tmp_path: Path, pristine: Path) -> None:
    for path in (tmp_path / "nothing", pristine / "config.json"):
        with pytest.raises(MissingFileError, match="Expected a model directory"):
            open_model(path)


def test_file_of_another_model(model: Path, tmp_path: Path) -> None:
    write(tmp_path / "other", {"w": Plain(np.ones(3, np.float32))})
    shutil.copy(tmp_path / "other" / "model.safetensors", model)
    with pytest.raises(SealError, match=r"config.json: was changed"):
        open_model(model)
    reseal(model)
    with pytest.raises(MissingTensorError, match=r"'embed.weight'"):
        open_model(model)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -1.0, 0.0, 3e38])
@pytest.mark.parametrize("verify", [True, False])
def test_bad_scale_with_a_good_checksum(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bad: float, *, verify: bool
) -> None:
    """A writer that does not check, so that the reader must."""
    monkeypatch.setattr(Coded, "check", lambda self, name: None)
    scales = np.array([[1], [bad]], np.float32)
    write(tmp_path / "model", {"w": Coded(Codes(np.ones((2, 4), np.int8), scales, PENTANARY), "pentanary-7bit")})
    with pytest.raises(ScaleError, match=r"model.safetensors: w': scale \S+ of row 1, group 0"):
        open_model(tmp_path / "model", verify=verify)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_bad_bias(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bad: float) -> None:
    """Refused by the writer, and by the reader of one who did not check."""
    bias = np.array([0, bad], np.float32)
    codes = Codes(np.ones((2, 4), np.int8), np.ones((2, 1), np.float32), PENTANARY, bias)
    with pytest.raises(BiasError, match=r"'w': bias \S+ of row 1 is not finite"):
        write(tmp_path / "model", {"w": Coded(codes, "pentanary-7bit")})
    monkeypatch.setattr(Coded, "check", lambda self, name: None)
    write(tmp_path / "model", {"w": Coded(codes, "pentanary-7bit")})
    with pytest.raises(BiasError, match=r"model.safetensors: w': bias \S+ of row 1"):
        open_model(tmp_path / "model", verify=False)


def test_activations_are_kept_and_left_out_where_there_are_none(tmp_path: Path) -> None:
    for kind in ACTIVATIONS:
        write(tmp_path / kind, ONES, activations=kind)
        assert open_model(tmp_path / kind).activations == kind
        section = json.loads((tmp_path / kind / "config.json").read_text())["quantization_config"]
        assert section.get("activations", "none") == kind
        assert ("activations" in section) == (kind != "none")


def test_bad_codes_with_a_good_checksum(model: Path) -> None:
    opened = open_model(model)
    entries = dict(opened.tensor_file.entries)
    blocks = {name: opened.tensor_file.raw(name).copy() for name in entries}
    blocks["up.weight"][0] |= 0x7F
    container.write_tensors(model / "new", entries, blocks.__getitem__)
    (model / "new").replace(model / "model.safetensors")  # without a seal, as early versions wrote it
    spoiled = open_model(model)
    with pytest.raises(CodeError, match=r"'up.weight': row 0, input 0: 0x7f"):
        spoiled.rows("up.weight", 0, 1)
    assert same(spoiled.rows("up.weight", 16, 35), opened.rows("up.weight", 16, 35))


def test_checksum_names_the_tensor(model: Path) -> None:
    path = model / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(ChecksumError, match="'one'"):
        open_model(model)
    assert open_model(model, verify=False).plain("one") != 3.25


# -- what the writer refuses ---------------------------------------------------------------------------------------

ONES: dict[str, Tensor] = {"w": Plain(np.ones(300, np.float32), "float32")}
ZEROS: dict[str, Tensor] = {"w": Plain(np.zeros(300, np.float32), "float32")}


def test_overwrite(tmp_path: Path) -> None:
    out = tmp_path / "model"
    out.mkdir()
    write(out, ONES)
    with pytest.raises(WriteError, match="not empty"):
        write(out, ZEROS)
    assert open_model(out).plain("w").all()
    write(out, ZEROS, overwrite=True)
    assert not open_model(out).plain("w").any()
    assert listing(tmp_path) == ["model"]


def test_an_open_model_outlives_its_replacement(tmp_path: Path) -> None:
    out = tmp_path / "model"
    write(out, ONES)
    opened = open_model(out)
    write(out, ZEROS, overwrite=True)
    assert opened.plain("w").all()


def test_through_a_link(tmp_path: Path) -> None:
    """The directory behind the link is replaced, the link stays."""
    write(tmp_path / "model", ONES)
    (tmp_path / "link").symlink_to("model", target_is_directory=True)
    write(tmp_path / "link", ZEROS, overwrite=True)
    assert (tmp_path / "link").is_symlink()
    assert not open_model(tmp_path / "model").plain("w").any()
    assert listing(tmp_path) == ["link", "model"]


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_half_a_model_is_no_model(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises(WriteError, match="something else"):
        write(tmp_path, ONES, overwrite=True)
    assert listing(tmp_path) == [name]


def test_overwrite_spares_what_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(WriteError, match="something else"):
        write(tmp_path, ONES, overwrite=True)
    with pytest.raises(WriteError, match="a file of this name"):
        write(tmp_path / "thesis.tex", ONES, overwrite=True)
    with pytest.raises(WriteError):
        write(tmp_path / "thesis.tex" / "model", ONES)
    assert listing(tmp_path) == ["thesis.tex"]


def test_full_disk(tmp_path: Path) -> None:
    """The system itself refuses to let a file grow beyond 1,000 bytes."""
    resource = pytest.importorskip("resource")
    out = tmp_path / "model"
    write(out, ONES)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(WriteError, match="model: not written: File too large"):
            write(out, ZEROS, overwrite=True)
        with pytest.raises(WriteError):
            write(tmp_path / "new", ZEROS)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert open_model(out).plain("w").all()
    assert listing(tmp_path) == ["model"]


def test_failed_flush(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "model"
    write(out, ONES)

    def fail(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pentanet.atomic.os.fsync", fail)
    with pytest.raises(WriteError, match="No space left"):
        write(out, ZEROS, overwrite=True)
    assert open_model(out).plain("w").all()
    assert listing(tmp_path) == ["model"]


def test_a_late_failure_says_that_the_new_model_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out, flush = tmp_path / "model", atomic.fsync_dir

    def fail(path: Path) -> None:
        if path in (tmp_path, out):
            raise OSError(5, "Input/output error")
        flush(path)

    write(out, ONES)
    monkeypatch.setattr(atomic, "fsync_dir", fail)
    with pytest.raises(UnconfirmedWriteError, match=r"model: the new one is written and in its place"):
        write(out, ZEROS, overwrite=True)
    assert not open_model(out).plain("w").any()
    with pytest.raises(UnconfirmedWriteError, match=r"safetensors: the new one is written and in its place"):
        write_into(out, config={}, tensors=ONES, method="pentanary")
    assert open_model(out).plain("w").all()


def test_bad_tensors_leave_nothing(tmp_path: Path) -> None:
    good = Codes(np.zeros((2, 4), np.int8), np.ones((2, 1), np.float32), PENTANARY)
    bad: list[tuple[dict[str, Tensor], type[PentaNetError]]] = [
        ({"w": Coded(Codes(good.levels + np.int8(3), good.scales, PENTANARY), "pentanary-7bit")}, CodeError),
        ({"w": Coded(Codes(good.levels, good.scales * np.float32(np.nan), PENTANARY), "pentanary-7bit")}, ScaleError),
        ({"w": Coded(good, "binary-1bit")}, UnpackableError),
        ({"w": Plain(np.zeros((0, 3), np.float32))}, ShapeError),
        ({"w": Coded(good, "nibble"), "w_scale": Plain(np.ones(1, np.float32))}, UnpackableError),
        ({"__pad_0": Plain(np.ones(1, np.float32))}, UnpackableError),
        ({"a b": Plain(np.ones(1, np.float32))}, UnpackableError),
        ({"x" * 256: Plain(np.ones(1, np.float32))}, UnpackableError),
    ]
    for tensors, error in bad:
        with pytest.raises(error):
            write(tmp_path / "model", tensors)
        assert listing(tmp_path) == []


def test_writer_holds_one_tensor_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[str] = []
    blocks = Plain.blocks
    monkeypatch.setattr(Plain, "blocks", lambda self, name: events.append(f"make {name}") or blocks(self, name))

    def write_and_tell(path: Path, entries: dict[str, Entry], data: Callable[[str], Any], seal: object) -> None:
        for name in entries:
            data(name)
            events.append(f"write {name}")

    monkeypatch.setattr(model_dir.container, "write_tensors", write_and_tell)
    write(tmp_path / "model", {"a": ONES["w"], "b": ONES["w"]})
    assert events == ["make a", "write a", "make b", "write b"]


def test_planned_bytes_refuses_bad_names() -> None:
    with pytest.raises(UnpackableError, match="a name has"):
        planned_bytes({"a/b": PlainSpec((3,), "float32")})


def test_no_torch() -> None:
    """Inspecting and serving a packed model must not wait for it."""
    code = "import sys, pentanet.runtime.inspect, pentanet.format.card; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
