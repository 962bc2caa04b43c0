"""The files beside the weights of a model directory that go along into what is made of it."""

from __future__ import annotations

from pathlib import Path

from pentanet.errors import FormatError, UnreadableFileError
from pentanet.regular import own_file, read_regular

BESIDE = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "generation_config.json",
    "chat_template.jinja",
    "LICENSE",
    "LICENSE.md",
    "LICENSE.txt",
    "NOTICE",
    "NOTICE.txt",
)
"""Files that are copied into the model directory that is made."""
MAX_BESIDE = 1 << 28  # bytes of each; the largest tokenizers have 35 MB


def read_beside(folder: Path) -> dict[str, bytes]:
    """Content of the files in `BESIDE` that a directory has, by name.

    Raises:
        UnsafeFileError: see `own_file`.
        UnreadableFileError: one that the system does not let be read.
        FormatError: one that is larger than such files are.
    """
    found: dict[str, bytes] = {}
    for name in BESIDE:
        if (file := own_file(folder, name)) is None:
            continue
        try:
            found[name] = read_regular(file, MAX_BESIDE)
        except OSError as error:
            raise UnreadableFileError(file, error) from error
        if len(found[name]) > MAX_BESIDE:
            raise FormatError(f"{file}: larger than {MAX_BESIDE} bytes, which no such file is")
    return found
