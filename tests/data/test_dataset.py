"""What a dataset directory promises, and how a damaged one is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pentanet.data import tokenizer
from pentanet.data.dataset import Dataset
from pentanet.errors import (
    ChecksumError,
    DataError,
    MissingFileError,
    PentaNetError,
    TokenizerMismatchError,
    TruncatedFileError,
    VersionError,
)


def test_two_loads_are_identical(dataset: Dataset) -> None:
    again = Dataset.open(str(dataset.path))
    assert again.record == dataset.record
    for split in ("train", "valid", "test"):
        stream = again.split(split)
        assert stream is again.split(split)
        assert isinstance(stream.tokens, np.memmap)
        assert stream.tokens.dtype == np.uint16
        assert len(stream) == again.tokens(split) > 0
        assert np.array_equal(stream.tokens, dataset.split(split).tokens)
        assert stream.name == str(dataset.path / f"{split}.bin")


def test_stream_is_read_only(dataset: Dataset) -> None:
    with pytest.raises(ValueError, match="read-only"):
        dataset.split("train").tokens[0] = 1


def test_bit_flip(dataset: Dataset) -> None:
    file = dataset.path / "valid.bin"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    opened = Dataset.open(dataset.path)
    opened.split("train")
    with pytest.raises(ChecksumError, match=r"valid\.bin: sha256 .*prepare it again"):
        opened.split("valid")


def test_tokenizer_changed(dataset: Dataset) -> None:
    tokenizer.train_bpe(["other text"], 257).save(str(dataset.path / "tokenizer.json"))
    with pytest.raises(ChecksumError, match=r"tokenizer\.json"):
        _ = Dataset.open(dataset.path).tokenizer


def test_stream_cut_short_or_too_long(dataset: Dataset) -> None:
    file = dataset.path / "train.bin"
    data = file.read_bytes()
    file.write_bytes(data[:-1])
    with pytest.raises(TruncatedFileError, match=rf"train\.bin: {len(data) - 1} bytes of {len(data)}"):
        Dataset.open(dataset.path)
    file.write_bytes(data + b"\0")
    with pytest.raises(ChecksumError, match=rf"train\.bin: {len(data) + 1} bytes"):
        Dataset.open(dataset.path)


@pytest.mark.parametrize("name", ["train.bin", "test.bin", "tokenizer.json", "dataset.json"])
def test_missing_file(dataset: Dataset, name: str) -> None:
    (dataset.path / name).unlink()
    with pytest.raises(MissingFileError, match=name.replace(".", r"\.")):
        Dataset.open(dataset.path)


def _set(key: str, value: object) -> Callable[[dict[str, Any]], object]:
    return lambda record: record.update({key: value})


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (_set("format_version", 2), VersionError),
        (_set("dtype", "float64"), DataError),
        (_set("vocab", None), DataError),
        (_set("vocab", "many"), DataError),
        (_set("surprise", 1), DataError),
        (_set("splits", {}), DataError),
        (_set("splits", {"train": {"tokens": 1, "bytes": 1}}), DataError),
        (lambda record: record.pop("eos"), DataError),
        (lambda record: record["splits"]["test"].update(tokens=0), DataError),
        (lambda record: record["splits"]["test"].update(tokens="9"), DataError),
        (lambda record: record["splits"]["test"].update(tokens=1.5), DataError),
    ],
)
def test_record_that_makes_no_sense(
    dataset: Dataset, change: Callable[[dict[str, Any]], object], error: type[PentaNetError]
) -> None:
    file = dataset.path / "dataset.json"
    record = json.loads(file.read_bytes())
    change(record)
    file.write_text(json.dumps(record))
    with pytest.raises(error, match=r"dataset\.json: "):
        Dataset.open(dataset.path)


@pytest.mark.parametrize("raw", ["", "[]", "3", "{", "\0", "null"])
def test_record_that_is_none(dataset: Dataset, raw: str) -> None:
    (dataset.path / "dataset.json").write_text(raw)
    with pytest.raises(DataError, match=r"dataset\.json: not a dataset record"):
        Dataset.open(dataset.path)


def test_id_outside_the_vocabulary(dataset: Dataset) -> None:
    file = dataset.path / "dataset.json"
    file.write_text(file.read_text().replace('"vocab": 300', '"vocab": 200'))
    with pytest.raises(DataError, match=r"train\.bin: id 299 with 200 tokens"):
        Dataset.open(dataset.path).split("train")


def test_tokenizer_of_another_model(dataset: Dataset) -> None:
    dataset.require_tokenizer(dataset.tokenizer, "model A")
    with pytest.raises(TokenizerMismatchError, match="model B"):
        dataset.require_tokenizer(tokenizer.train_bpe(["other text"], 257), "model B")
