"""The seal: no file that says what the weights mean is changed, removed or added unnoticed; no single bit at all."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pentanet.codes import Codes
from pentanet.data.tokenizer import train_bpe
from pentanet.errors import (
    FormatError,
    HeaderError,
    PentaNetError,
    SealError,
    UnreadableFileError,
    UnsafeFileError,
)
from pentanet.format import seal as module
from pentanet.format.container import copy_tensors, open_tensors
from pentanet.format.model_dir import open_model, planned_bytes, write_into, write_model
from pentanet.format.seal import ABSENT, SEALED, seal_of, seal_of_folder
from pentanet.format.tensors import Coded, Plain, Tensor
from pentanet.grid import PENTANARY

CONFIG = {  # most flips of its digits are other valid numbers
    "model_type": "llama",
    "hidden_size": 24,
    "rope_theta": 10000.0,
    "rms_norm_eps": 1e-06,
    "eos_token_id": 128009,
    "rope_scaling": {"rope_type": "yarn", "factor": 8.25, "original_max_position_embeddings": 32768},
}
BESIDE = {
    "generation_config.json": b'{"eos_token_id": [1, 2]}\n',
    "tokenizer_config.json": b'{"eos_token": "</s>"}\n',
    "chat_template.jinja": b"{% for m in messages %}{{ m.content }}{% endfor %}",
    "LICENSE": b"Free for all.\n",
}
TENSORS: dict[str, Tensor] = {
    "up.weight": Coded(
        Codes(np.eye(2, 5, dtype=np.int8), np.ones((2, 1), np.float32), PENTANARY, np.arange(2, dtype=np.float32)),
        "pentanary-7bit",
    ),
    "gain": Plain(np.ones(3, np.float32), "float32"),
    "norm": Plain(np.linspace(0, 1, 5, dtype=np.float32), "bfloat16"),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model directory with every file that a seal can name, and two that it cannot."""
    tokenizer = train_bpe([], 257).to_str().encode()[:200]  # nobody parses it here
    out = tmp_path / "model"
    write_model(out, config=CONFIG, tensors=TENSORS, method="m", tokenizer=tokenizer, card="# Card\n", beside=BESIDE)
    return out


def test_the_header_carries_the_checksums(folder: Path) -> None:
    found = open_model(folder).tensor_file.header.seal
    assert list(found) == list(SEALED)
    assert found == seal_of({name: (folder / name).read_bytes() for name in SEALED})
    assert (folder / "model.safetensors").stat().st_size == planned_bytes({n: t.spec for n, t in TENSORS.items()})


def test_what_is_not_there_is_sealed_too(tmp_path: Path) -> None:
    write_model(tmp_path / "bare", config={}, tensors=TENSORS, method="m", tokenizer=None, card="")
    found = open_model(tmp_path / "bare").tensor_file.header.seal
    assert list(found) == list(SEALED)
    assert [name for name in SEALED if found[name] == ABSENT] == list(SEALED[1:])
    size = (tmp_path / "bare" / "model.safetensors").stat().st_size
    assert size == planned_bytes({name: tensor.spec for name, tensor in TENSORS.items()})


@pytest.mark.parametrize("name", SEALED)
@pytest.mark.parametrize("verify", [True, False])
def test_an_edit_by_hand_is_named_as_one(folder: Path, name: str, *, verify: bool) -> None:
    (folder / name).write_bytes((folder / name).read_bytes() + b" ")
    with pytest.raises(SealError) as caught:
        open_model(folder, verify=verify)
    assert str(caught.value) == (
        f"{folder / name}: was changed after the directory was written. Copy the directory again, or accept this with: "
        f"pentanet pack --reseal {folder}"
    )
    open_model(folder, sealed=False)


@pytest.mark.parametrize("name", SEALED[1:])
def test_a_file_that_went_or_came(folder: Path, name: str) -> None:
    content = (folder / name).read_bytes()
    (folder / name).unlink()
    with pytest.raises(SealError, match=f"{name}: was removed"):
        open_model(folder)
    write_model(folder, config={}, tensors=TENSORS, method="m", tokenizer=None, card="", overwrite=True)
    (folder / name).write_bytes(content)
    with pytest.raises(SealError, match=f"{name}: was added"):
        open_model(folder)


def test_other_files_are_not_covered(folder: Path) -> None:
    for name in ("README.md", "LICENSE", "notes.txt"):
        (folder / name).write_text("mine")
    open_model(folder)


def test_a_directory_without_a_seal_opens(folder: Path) -> None:
    """As versions before the seal wrote it."""
    unseal(folder)
    (folder / "tokenizer.json").unlink()
    (folder / "generation_config.json").write_text("{}")
    assert open_model(folder).tensor_file.header.seal == {}


def unseal(folder: Path) -> None:
    file = folder / "model.safetensors"
    copy_tensors(open_tensors(file), folder / "new", {})
    (folder / "new").replace(file)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace(b"seal:config.json", b"seal:konfig.json"), "its seal does not name config.json"),
        (lambda text: text.replace(b"seal:tokenizer.json", b"seal:tokenizer.jsom"), "canonical"),
        (lambda text: text.replace(b"seal:tokenizer.json", b"seal:chat_template.jinja"), "duplicate key"),
        (lambda text: text.replace(b'"seal:tokenizer.json":"', b'"seal:tokenizer.json":"A'), "tokenizer.json: no sha"),
    ],
)
def test_a_seal_that_no_writer_makes(folder: Path, change: Callable[[bytes], bytes], message: str) -> None:
    file = folder / "model.safetensors"
    data = file.read_bytes()
    size = 8 + int.from_bytes(data[:8], "little")
    text = change(data[8:size].rstrip())
    assert text != data[8:size].rstrip()
    text += b" " * (-(8 + len(text)) % 64)
    file.write_bytes(len(text).to_bytes(8, "little") + text + data[size:])
    with pytest.raises(HeaderError, match=message):
        open_model(folder)


def test_a_program_that_adds_files_later_may(tmp_path: Path) -> None:
    """As transformers does: first the model, then its tokenizer.  What was there is sealed, what came is not."""
    tmp_path.joinpath("generation_config.json").write_text("{}")
    write_into(tmp_path, config={}, tensors=TENSORS, method="m")
    (tmp_path / "tokenizer.json").write_text("{}")
    assert list(open_model(tmp_path).tensor_file.header.seal) == ["config.json", "generation_config.json"]
    for name in ("generation_config.json", "config.json"):
        with_space = (tmp_path / name).read_text() + " "
        (tmp_path / name).write_text(with_space)
        with pytest.raises(SealError, match=f"{name}: was changed"):
            open_model(tmp_path)
    write_into(tmp_path, config={}, tensors=TENSORS, method="m")
    assert list(open_model(tmp_path).tensor_file.header.seal) == list(SEALED[:3])


def test_the_cache_of_the_hub_may_lack_files_but_not_change_them(folder: Path, tmp_path: Path) -> None:
    """There each file is fetched when somebody asks for it, and is a link to its content."""
    blobs, snapshot = tmp_path / "models--me--tiny" / "blobs", tmp_path / "models--me--tiny" / "snapshots" / "0a1b"
    shutil.copytree(folder, blobs)
    snapshot.mkdir(parents=True)
    for name in ("config.json", "model.safetensors", "tokenizer_config.json"):
        (snapshot / name).symlink_to(Path("../../blobs") / name)
    open_model(snapshot)
    (blobs / "tokenizer_config.json").write_text("{}")
    with pytest.raises(SealError, match=r"tokenizer_config\.json: was changed"):
        open_model(snapshot)


@pytest.mark.skipif(os.name == "nt", reason="POSIX pipes")
def test_files_that_are_none(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "chat_template.jinja").unlink()
    os.mkfifo(folder / "chat_template.jinja")
    with pytest.raises(UnsafeFileError, match=r"chat_template\.jinja: not a regular file"):
        open_model(folder)
    with pytest.raises(UnreadableFileError, match=r"chat_template\.jinja: cannot be read: not a regular file"):
        seal_of_folder(folder)
    (folder / "chat_template.jinja").unlink()
    monkeypatch.setattr(module, "MAX_SEALED", 5000)
    (folder / "tokenizer.json").write_bytes(bytes(5001))
    with pytest.raises(FormatError, match=r"tokenizer\.json: larger than 5000 bytes"):
        open_model(folder)


# -- every bit -----------------------------------------------------------------------------------------------------


def flips(folder: Path, file: Path, stride: int) -> list[tuple[int, str]]:
    """Flip every `stride`-th bit of a file, one at a time; the places of those that nobody notices."""
    data = bytearray(file.read_bytes())
    unnoticed: list[tuple[int, str]] = []
    for bit in range(0, 8 * len(data), stride):
        data[bit // 8] ^= 1 << bit % 8
        file.write_bytes(data)
        try:
            open_model(folder)
            unnoticed.append((bit // 8, file.name))
        except PentaNetError:
            pass
        data[bit // 8] ^= 1 << bit % 8
    file.write_bytes(data)
    open_model(folder)
    return unnoticed


@pytest.mark.parametrize("name", [*SEALED, "model.safetensors"])
@pytest.mark.parametrize("stride", [61, pytest.param(1, marks=pytest.mark.slow)])
def test_no_bit_flips_unnoticed(folder: Path, name: str, stride: int) -> None:
    """In any file that a model is made of, at `open_model`: config.json mostly by its rules, and all that they let pass
    by the seal; the header by its canonical form and by what its checksums are of; tensors, scales and biases by their
    checksums, padding by its zeros.
    """
    assert flips(folder, folder / name, stride) == []


def test_without_checksums_all_but_the_weights_is_covered(folder: Path) -> None:
    """`verify=False` compares the small files all the same, and passes no bit of the header but of sums it ignores."""
    file = folder / "model.safetensors"
    good = file.read_bytes()
    size = 8 + int.from_bytes(good[:8], "little")
    sums = json.loads(good[8:size])["__metadata__"]
    ignored = [good.index(value.encode()) for key, value in sums.items() if key.startswith("sha256:")]
    for bit in range(0, 8 * size, 61):
        bad = bytearray(good)
        bad[bit // 8] ^= 1 << bit % 8
        file.write_bytes(bad)
        try:
            open_model(folder, verify=False)
        except PentaNetError:
            continue
        assert any(start <= bit // 8 < start + 64 for start in ignored)


def test_it_costs_little(tmp_path: Path) -> None:
    """A tokenizer of 16 MB, which is a large one."""
    write_model(tmp_path / "m", config={}, tensors=TENSORS, method="m", tokenizer=b"x" * (16 << 20), card="")
    open_model(tmp_path / "m")
    start = time.perf_counter()
    open_model(tmp_path / "m")
    assert time.perf_counter() - start < 1  # 0.04 s on two cores of a server
