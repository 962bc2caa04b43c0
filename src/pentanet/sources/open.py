"""Which kind of source a path is."""

from __future__ import annotations

from pathlib import Path

from pentanet.data.tokenizer import require_fits
from pentanet.format.packed_model import TOKENIZER
from pentanet.sources.gguf import GgufSource
from pentanet.sources.hub import HubSource
from pentanet.sources.source import Source


def open_source(path: str | Path, *, allow_pickle: bool = False) -> Source:
    """Open a Hugging Face model directory, or a .gguf file.

    Args:
        path: of it.
        allow_pickle: read pytorch_model.bin where there are no safetensors.

    Raises:
        FormatError: a rule is broken: see `pentanet.sources.hub` and `pentanet.sources.gguf`.
        UnsupportedArchitectureError: a family that is not known.
        MissingFileError, MissingExtraError: no such file; the package gguf is not installed.
        DataError: a tokenizer that cannot be read.
        TokenizerMismatchError: a tokenizer with tokens that the model does not have.
    """
    path = Path(path)
    source = GgufSource(path) if path.suffix == ".gguf" else HubSource(path, allow_pickle=allow_pickle)
    if TOKENIZER in source.files:  # what does not fit is found before the work
        require_fits(source.tokenizer(), source.vocab, f"{path}: {TOKENIZER}")
    return source
