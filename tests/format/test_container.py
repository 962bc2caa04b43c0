"""The tensor file: what it looks like, and everything that must not be believed."""

from __future__ import annotations

import json
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import safe_open

from pentanet.errors import (
    ChecksumError,
    HeaderError,
    MissingFileError,
    PentaNetError,
    TruncatedFileError,
    UnreadableFileError,
    VersionError,
)
from pentanet.format.container import file_size, open_tensors, write_tensors
from pentanet.format.header import MAX_HEADER, Entry, strict_json
from pentanet.format.model_dir import open_model
from pentanet.format.tensors import Coded, Plain, Tensor

ENTRIES = {"a": Entry("F32", (3,)), "b.weight": Entry("U8", (64,)), "c": Entry("BF16", (2, 5))}


def content(name: str) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.arange(ENTRIES[name].nbytes, dtype=np.uint8)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_tensors(tmp_path / "model.safetensors", ENTRIES, content)
    return tmp_path / "model.safetensors"


def split(data: bytes) -> tuple[dict[str, Any], bytes]:
    size = struct.unpack("<Q", data[:8])[0]
    return json.loads(data[8 : 8 + size]), data[8 + size :]


def join(tree: object, rest: bytes) -> bytes:
    text = tree if isinstance(tree, bytes) else json.dumps(tree, separators=(",", ":")).encode()
    text += b" " * (-(8 + len(text)) % 64)
    return struct.pack("<Q", len(text)) + text + rest


def test_what_it_looks_like(path: Path) -> None:
    data = path.read_bytes()
    tree, rest = split(data)
    assert list(tree) == ["__metadata__", "a", "__pad_0", "b.weight", "c"]
    assert tree["a"] == {"dtype": "F32", "shape": [3], "data_offsets": [0, 12]}
    assert tree["__pad_0"] == {"dtype": "U8", "shape": [52], "data_offsets": [12, 64]}
    assert tree["c"] == {"dtype": "BF16", "shape": [2, 5], "data_offsets": [128, 148]}
    assert list(tree["__metadata__"])[:2] == ["format", "pentanet_format_version"]
    assert rest == bytes(range(12)) + bytes(52) + bytes(range(64)) + bytes(range(20))
    assert join(tree, rest) == data
    assert len(data) == file_size(ENTRIES)


def test_read_back(path: Path) -> None:
    opened = open_tensors(path)
    assert dict(opened.entries) == ENTRIES
    for name in ENTRIES:
        raw = opened.raw(name)
        assert np.array_equal(raw, content(name))
        assert raw.ctypes.data % 64 == 0
        assert not raw.flags.writeable
    assert [opened.footprint(name) for name in ENTRIES] == [64, 64, 20]
    assert opened.nbytes == path.stat().st_size


def test_every_tensor_starts_on_64_bytes(pristine: Path) -> None:
    data = (pristine / "model.safetensors").read_bytes()
    tree, rest = split(data)
    starts = {name: len(data) - len(rest) + tree[name]["data_offsets"][0] for name in tree if not name.startswith("__")}
    assert len(starts) == 12
    assert not any(start % 64 for start in starts.values())


def test_stock_safetensors_opens_it(pristine: Path, tensors: dict[str, Tensor]) -> None:
    with safe_open(pristine / "model.safetensors", "pt") as file:
        assert file.metadata()["pentanet_format_version"] == "1"
        for name, tensor in tensors.items():
            stored = file.get_tensor(name)
            if isinstance(tensor, Plain):
                assert stored.dtype == getattr(torch, tensor.dtype)
                assert torch.equal(stored, torch.from_numpy(tensor.values).to(stored.dtype))
            else:
                assert stored.numpy().tobytes() == tensor.blocks(name)[name].tobytes()
                assert np.array_equal(file.get_tensor(f"{name}_scale").numpy(), tensor.codes.scales)
        padding = [name for name in file.keys() if name.startswith("__")]  # noqa: SIM118 -- not a mapping
        assert padding
        assert not any(file.get_tensor(name).any() for name in padding)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(
        st.from_regex(r"[a-zA-Z0-9.][a-zA-Z0-9_.\-]{0,9}", fullmatch=True),
        st.builds(Entry, st.sampled_from(["U8", "F32", "BF16"]), st.lists(st.integers(1, 9), max_size=3).map(tuple)),
        max_size=12,
    )
)
def test_planned_size_is_the_size(tmp_path: Path, entries: dict[str, Entry]) -> None:
    path = tmp_path / "model.safetensors"
    write_tensors(path, entries, lambda name: np.full(entries[name].nbytes, len(name), np.uint8))
    assert path.stat().st_size == file_size(entries)
    assert dict(open_tensors(path).entries) == entries
    with safe_open(path, "pt") as file:
        assert set(entries) <= set(file.keys())


def test_half_written_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"

    def fail(name: str) -> np.ndarray[Any, np.dtype[np.uint8]]:
        if name == "c":
            raise KeyboardInterrupt
        return content(name)

    with pytest.raises(KeyboardInterrupt):
        write_tensors(path, ENTRIES, fail)
    with pytest.raises(HeaderError):
        open_tensors(path)


# -- attacks -------------------------------------------------------------------------------------------------------


def _with(tree: dict[str, Any], name: str, **fields: object) -> dict[str, Any]:
    return {**tree, name: {**tree[name], **fields}}


def _metadata(tree: dict[str, Any], **fields: object) -> dict[str, Any]:
    return {**tree, "__metadata__": {**tree["__metadata__"], **fields}}


def _without(tree: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in tree.items() if key != name}


def _reordered(tree: dict[str, Any]) -> dict[str, Any]:
    return {name: tree[name] for name in ["__metadata__", "b.weight", "a", "__pad_0", "c"]}


def _text(tree: dict[str, Any], old: str, new: str) -> bytes:
    text = json.dumps(tree, separators=(",", ":"))
    assert old in text
    return text.replace(old, new, 1).encode()


Spoil = Callable[[dict[str, Any]], "dict[str, Any] | list[Any] | bytes"]
ATTACKS: dict[str, tuple[Spoil, type[PentaNetError], str]] = {
    "not JSON": (lambda tree: b"{" + b"x" * 9, HeaderError, "not JSON"),
    "not UTF-8": (lambda tree: b'{"\xff":1}', HeaderError, "not JSON"),
    "a list": (lambda tree: [1], HeaderError, "not a JSON object"),
    "deep nesting": (lambda tree: b"[" * 100_000, HeaderError, "not JSON"),
    "long number": (lambda tree: b'{"a":' + b"9" * 5000 + b"}", HeaderError, "not JSON"),
    "infinity": (lambda tree: _text(tree, "[0,12]", "[0,Infinity]"), HeaderError, "not JSON"),
    "tensor twice": (lambda tree: _text(tree, '"c":', '"a":'), HeaderError, "duplicate key 'a'"),
    "key twice": (lambda tree: _text(tree, '"shape":[3]', '"shape":[3],"shape":[3]'), HeaderError, "twice"),
    "empty": (lambda tree: {}, HeaderError, "no 'pentanet_format_version'"),
    "no metadata": (lambda tree: _without(tree, "__metadata__"), HeaderError, "no 'pentanet_format_version'"),
    "metadata is text": (lambda tree: {**tree, "__metadata__": "x"}, HeaderError, "no 'pentanet_format_version'"),
    "newer": (lambda tree: _metadata(tree, pentanet_format_version="2"), VersionError, "version '2'"),
    "version is a number": (lambda tree: _metadata(tree, pentanet_format_version=1), VersionError, "version 1"),
    "other metadata": (lambda tree: _metadata(tree, author="x"), HeaderError, "canonical"),
    "other format": (lambda tree: _metadata(tree, format="np"), HeaderError, "canonical"),
    "no digest": (lambda tree: _metadata(tree, **{"sha256:a": None}), HeaderError, "'a': no sha256"),
    "short digest": (lambda tree: _metadata(tree, **{"sha256:a": "0"}), HeaderError, "'a': no sha256"),
    "upper digest": (lambda tree: _metadata(tree, **{"sha256:a": "A" * 64}), HeaderError, "'a': no sha256"),
    "wrong digest": (lambda tree: _metadata(tree, **{"sha256:a": "0" * 64}), ChecksumError, "'a' differs"),
    "tensor is a number": (lambda tree: {**tree, "c": 1}, HeaderError, "'c': needs dtype"),
    "more fields": (lambda tree: _with(tree, "c", more=1), HeaderError, "'c': needs dtype"),
    "fewer fields": (lambda tree: {**tree, "c": {"dtype": "F32"}}, HeaderError, "'c': needs dtype"),
    "unknown dtype": (lambda tree: _with(tree, "c", dtype="F16"), HeaderError, "'c': dtype 'F16'"),
    "dtype is a list": (lambda tree: _with(tree, "c", dtype=[]), HeaderError, r"'c': dtype \[\]"),
    "wider dtype": (lambda tree: _with(tree, "c", dtype="F32"), HeaderError, r"'c': F32 \[2, 5\] takes 40 bytes"),
    "negative shape": (lambda tree: _with(tree, "c", shape=[-2, -5]), HeaderError, "'c': its shape"),
    "zero": (lambda tree: _with(tree, "c", shape=[0]), HeaderError, "'c': its shape"),
    "fraction": (lambda tree: _with(tree, "c", shape=[2.0, 5]), HeaderError, "'c': its shape"),
    "bool": (lambda tree: _with(tree, "c", shape=[True, 10]), HeaderError, "'c': its shape"),
    "shape is text": (lambda tree: _with(tree, "c", shape="25"), HeaderError, "'c': its shape"),
    "nine dimensions": (lambda tree: _with(tree, "c", shape=[1] * 7 + [2, 5]), HeaderError, "'c': its shape"),
    "huge": (lambda tree: _with(tree, "c", shape=[2**62, 2**62]), HeaderError, "'c': BF16"),
    "other shape": (lambda tree: _with(tree, "c", shape=[2, 6]), HeaderError, "'c': BF16"),
    "negative offset": (lambda tree: _with(tree, "a", data_offsets=[-1, 11]), HeaderError, "'a': its data_offsets"),
    "three offsets": (lambda tree: _with(tree, "a", data_offsets=[0, 12, 12]), HeaderError, "'a': its data_offsets"),
    "offsets are text": (lambda tree: _with(tree, "a", data_offsets="01"), HeaderError, "'a': its data_offsets"),
    "offset is null": (lambda tree: _with(tree, "a", data_offsets=[0, None]), HeaderError, "'a': its data_offsets"),
    "backwards": (lambda tree: _with(tree, "a", data_offsets=[0, 0]), HeaderError, "'a': F32"),
    "overlap": (lambda tree: _with(tree, "c", data_offsets=[64, 84]), HeaderError, "'c': overlaps"),
    "hole": (lambda tree: _with(tree, "c", data_offsets=[192, 212]), HeaderError, "'c': 64 bytes before it"),
    "other order": (_reordered, HeaderError, "'b.weight': 64 bytes before it"),
    "no padding": (
        lambda tree: _with(_without(tree, "__pad_0"), "b.weight", data_offsets=[12, 76]) | {"c": tree["c"]},
        HeaderError,
        "'c': 52 bytes before it",
    ),
    "unaligned": (
        lambda tree: _with(_with(_without(tree, "__pad_0"), "b.weight", shape=[116], data_offsets=[12, 128]), "c"),
        HeaderError,
        "multiples of 64",
    ),
    "padding misnamed": (lambda tree: _text(tree, "__pad_0", "__pad_1"), HeaderError, "padding"),
    "reserved name": (lambda tree: _text(tree, "__pad_0", "__more"), HeaderError, "'__more': not a valid name"),
    "empty name": (lambda tree: _text(tree, '"c":', '"":'), HeaderError, "not a valid name"),
    "path": (lambda tree: _text(tree, '"c":', '"../c":'), HeaderError, "not a valid name"),
    "surrogate": (lambda tree: _text(tree, '"c":', '"\\ud800":'), HeaderError, "not a valid name"),
    "escaped": (lambda tree: _text(tree, '"c":', '"\\u0063":'), HeaderError, "canonical"),
    "spaces": (lambda tree: json.dumps(tree).encode(), HeaderError, "canonical"),
    "exponent": (lambda tree: _text(tree, "[3]", "[3e0]"), HeaderError, "'a': its shape"),
    "fewer tensors": (lambda tree: _without(tree, "c"), HeaderError, "20 bytes after the last"),
    "a digest too many": (lambda tree: _metadata(tree, **{"sha256:d": "0" * 64}), HeaderError, "canonical"),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_attack(path: Path, name: str) -> None:
    spoil, error, message = ATTACKS[name]
    tree, rest = split(path.read_bytes())
    path.write_bytes(join(spoil(tree), rest))
    with pytest.raises(error, match=message) as caught:
        open_tensors(path)
    assert str(path) in str(caught.value)
    assert type(caught.value) is error


@pytest.mark.parametrize(
    ("size", "error"),
    [
        (0, HeaderError),
        (1, HeaderError),
        (MAX_HEADER + 1, HeaderError),
        (2**63, HeaderError),
        (2**64 - 1, HeaderError),
        (MAX_HEADER, TruncatedFileError),
    ],
)
def test_header_length(path: Path, size: int, error: type[PentaNetError]) -> None:
    path.write_bytes(struct.pack("<Q", size) + path.read_bytes()[8:])
    with pytest.raises(error, match=str(path)):
        open_tensors(path)


def test_header_without_padding(path: Path) -> None:
    tree, rest = split(path.read_bytes())
    text = json.dumps(tree, separators=(",", ":")).encode()
    for tail in (b"", b" " * 64, b" " * 128):
        path.write_bytes(struct.pack("<Q", len(text + tail)) + text + tail + rest)
        with pytest.raises(HeaderError, match="canonical"):
            open_tensors(path)


def test_every_truncation(path: Path) -> None:
    data = path.read_bytes()
    for size in range(len(data)):
        path.write_bytes(data[:size])
        with pytest.raises(TruncatedFileError, match=str(path)):
            open_tensors(path)
    path.write_bytes(data + b"\0")
    with pytest.raises(HeaderError, match="1 bytes after"):
        open_tensors(path)


def test_every_header_byte(path: Path) -> None:
    """Each byte with other bits and as a space or a digit: no change of the header passes."""
    data = path.read_bytes()
    size = len(data) - len(split(data)[1])
    for place in range(size):
        for value in {data[place] ^ 1, data[place] ^ 1 << place % 8, 0x20, 0x30} - {data[place]}:
            path.write_bytes(data[:place] + bytes([value]) + data[place + 1 :])
            with pytest.raises(PentaNetError, match=str(path)):
                open_tensors(path)


def test_every_data_byte(path: Path) -> None:
    data = path.read_bytes()
    start = len(data) - len(split(data)[1])
    for place in range(start, len(data)):
        path.write_bytes(data[:place] + bytes([data[place] ^ 1 << place % 8]) + data[place + 1 :])
        padding = start + 12 <= place < start + 64
        with pytest.raises(HeaderError if padding else ChecksumError):
            open_tensors(path)
        if padding:
            with pytest.raises(HeaderError, match="'__pad_0' is not zero"):
                open_tensors(path, verify=False)
        else:
            open_tensors(path, verify=False)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_random_damage_of_a_model(model: Path, pristine: Path, tensors: dict[str, Tensor], data: st.DataObject) -> None:
    """Without checksums a model may come out different, but never with anything else than one of our errors."""
    good = (pristine / "model.safetensors").read_bytes()
    bad = bytearray(good)
    for _ in range(data.draw(st.integers(1, 4))):
        bad[data.draw(st.integers(0, len(bad) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.sampled_from([len(bad), len(bad), data.draw(st.integers(0, len(bad)))]))
    (model / "model.safetensors").write_bytes(bad[:cut])
    try:
        open_model(model)
    except PentaNetError:
        assert bad[:cut] != good
    else:
        assert bad[:cut] == good
    try:
        opened = open_model(model, verify=False)
        for name, tensor in tensors.items():
            if isinstance(tensor, Coded):
                assert set(np.unique(opened.codes(name).levels)) <= set(tensor.codes.grid.levels)
                assert np.isfinite(opened.rows(name, 0, opened.shape(name)[0])).all()
            else:
                assert opened.plain(name).shape == tensor.values.shape
    except PentaNetError:
        pass


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.binary(max_size=300)
    | st.recursive(
        st.none() | st.integers() | st.text(max_size=4),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    )
)
def test_random_headers(tmp_path: Path, tree: object) -> None:
    path = tmp_path / "noise"
    for data in (tree if isinstance(tree, bytes) else b"", join(tree, b"")):
        path.write_bytes(data)
        with pytest.raises(PentaNetError):
            open_tensors(path)


def test_missing_and_unreadable(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="nothing: no such file"):
        open_tensors(tmp_path / "nothing")
    (tmp_path / "folder").mkdir()
    with pytest.raises(UnreadableFileError, match="folder: cannot be read"):
        open_tensors(tmp_path / "folder")


def test_a_double_key_among_many_is_found_in_one_pass(path: Path) -> None:
    text = b"{" + b"".join(b'"%d":0,' % i for i in range(200_000)) + b'"199999":0}'
    start = time.perf_counter()
    with pytest.raises(HeaderError, match="duplicate key '199999'"):
        strict_json(text, path)
    assert time.perf_counter() - start < 5  # comparing all pairs takes minutes
