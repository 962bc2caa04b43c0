"""A prepared dataset on disk: three token streams, the tokenizer that made them, and the record that vouches for both.

DIR/train.bin, valid.bin, test.bin   token ids, little-endian uint16 (uint32 above 65,536 tokens), nothing else
DIR/tokenizer.json                   the tokenizer
DIR/dataset.json                     sizes, checksums, and how it was made
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from pentanet.data import tokenizer as tokenizers_of
from pentanet.errors import ChecksumError, DataError, MissingFileError, TruncatedFileError, VersionError

FORMAT_VERSION = 1
RECORD = "dataset.json"
TOKENIZER = "tokenizer.json"
DTYPES = ("uint16", "uint32")


@dataclass(frozen=True, kw_only=True, slots=True)
class SplitRecord:
    """What dataset.json says of one stream. `bytes` counts the UTF-8 text that its tokens cover."""

    tokens: int
    bytes: int
    sha256: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """The contents of dataset.json.

    Attributes:
        tokenizer: what was asked for: "bpe:4096", "gpt2" or a path.
        vocab: number of tokens; every id is below it.
        eos: "line", "document" or "none": after what `eos_id` stands.
        fingerprint: sha256 over tokenizer and streams: equal means equal tokens.
        recipe: sha256 over text, tokenizer specification and eos: equal means nothing to prepare.
    """

    name: str
    description: str
    licence: str
    tokenizer: str
    tokenizer_sha256: str
    vocab: int
    dtype: str
    eos: str
    eos_id: int | None
    splits: Mapping[str, SplitRecord]
    fingerprint: str
    recipe: str
    format_version: int = FORMAT_VERSION

    def to_json(self) -> bytes:
        """As it stands in the file."""
        return (json.dumps(asdict(self), indent=2) + "\n").encode()


@dataclass(frozen=True, slots=True)
class TokenStream:
    """Token ids in a row. `name` is what messages call it: its file, as a rule."""

    tokens: NDArray[np.unsignedinteger]
    name: str

    def __len__(self) -> int:
        return len(self.tokens)


class Dataset:
    """A dataset directory, opened. Streams are mapped into memory and checked when first asked for."""

    def __init__(self, path: Path, record: Record) -> None:
        self.path = path
        self.record = record
        self._streams: dict[str, TokenStream] = {}

    @classmethod
    def open(cls, path: Path | str) -> Dataset:
        """Read dataset.json and the sizes of the streams.

        Raises:
            MissingFileError: no dataset there, or one of its files is missing.
            DataError: dataset.json is not what `prepare` writes.
            VersionError: a dataset of a later release.
            TruncatedFileError: a stream shorter than the record says; ChecksumError: a longer one.
        """
        path = Path(path)
        record = _read_record(path / RECORD)
        for name, split in record.splits.items():
            file = path / f"{name}.bin"
            want = split.tokens * np.dtype(record.dtype).itemsize
            size = _size(file)
            if size < want:
                raise TruncatedFileError(f"{file}: {size} bytes of {want}: prepare the dataset again")
            if size > want:
                raise ChecksumError(f"{file}: {size} bytes, the record says {want}: prepare the dataset again")
        _size(path / TOKENIZER)
        return cls(path, record)

    @property
    def name(self) -> str:
        """Name of the corpus."""
        return self.record.name

    @property
    def vocab(self) -> int:
        """Number of tokens; every id is below it."""
        return self.record.vocab

    @property
    def eos_id(self) -> int | None:
        """The id that ends a text, if the tokenizer has one (it has, unless eos is "none")."""
        return self.record.eos_id

    @property
    def fingerprint(self) -> str:
        """sha256 over tokenizer and streams: equal means equal tokens."""
        return self.record.fingerprint

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer, after its checksum was compared."""
        file = self.path / TOKENIZER
        _require_sha256(file, hashlib.sha256(file.read_bytes()).hexdigest(), self.record.tokenizer_sha256)
        return tokenizers_of.load(file)

    def split(self, name: str) -> TokenStream:
        """The stream "train", "valid" or "test", mapped; its checksum is compared the first time.

        Raises:
            ChecksumError: the bytes are not those that were written.
            DataError: an id outside the vocabulary.
        """
        if name not in self._streams:
            file = self.path / f"{name}.bin"
            tokens = np.memmap(file, dtype=np.dtype(self.record.dtype).newbyteorder("<"), mode="r")
            _require_sha256(file, hashlib.sha256(tokens.data).hexdigest(), self.record.splits[name].sha256)
            if int(tokens.max()) >= self.vocab:
                raise DataError(f"{file}: id {tokens.max()} with {self.vocab} tokens: prepare the dataset again")
            self._streams[name] = TokenStream(tokens, str(file))
        return self._streams[name]

    def tokens(self, name: str) -> int:
        """Number of tokens of a split."""
        return self.record.splits[name].tokens

    def bytes(self, name: str) -> int:
        """UTF-8 bytes of the text that a split's tokens cover: the denominator of bits per byte."""
        return self.record.splits[name].bytes

    def require_tokenizer(self, tokenizer: Tokenizer, where: str) -> None:
        """Raise TokenizerMismatchError unless the model at `where` has this dataset's tokenizer."""
        tokenizers_of.require_same(self.tokenizer, tokenizer, f"{self.path} (for {where})")

    def verify(self) -> None:
        """Compare every checksum. Raises what `split` raises."""
        _ = self.tokenizer
        for name in self.record.splits:
            self.split(name)


def _read_record(file: Path) -> Record:
    try:
        fields: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        version = fields["format_version"]
        if version != FORMAT_VERSION:
            raise VersionError(
                f"{file}: format version {version}, this release reads {FORMAT_VERSION}: update pentanet"
            )
        fields["splits"] = {name: SplitRecord(**split) for name, split in fields["splits"].items()}
        record = Record(**fields)
        sane = (
            set(record.splits) == {"train", "valid", "test"}
            and record.dtype in DTYPES
            and type(record.vocab) is int
            and all(type(n) is int and n > 0 for split in record.splits.values() for n in (split.tokens, split.bytes))
        )
    except FileNotFoundError:
        raise MissingFileError(file, "Make the dataset first: pentanet data prepare SOURCE.") from None
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise DataError(f"{file}: not a dataset record ({error}): prepare the dataset again") from None
    if not sane:
        raise DataError(f"{file}: its splits or dtype make no sense: prepare the dataset again")
    return record


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        raise MissingFileError(file, "The dataset is incomplete: prepare it again.") from None


def _require_sha256(file: Path, found: str, expected: str) -> None:
    if found != expected:
        raise ChecksumError(f"{file}: sha256 {found[:12]}..., the record says {expected[:12]}...: prepare it again")
