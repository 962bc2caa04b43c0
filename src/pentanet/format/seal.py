"""The seal: checksums of the small files that say what the weights mean, kept in the header of model.safetensors.

A bit that flips in config.json can make other numbers of the same weights, and one in tokenizer.json other words. So
whoever writes a model directory names in the header, for each file of SEALED, its sha256, or that there is none; a
reader compares.  A file that the seal does not name is not covered: directories of early versions have no seal at all,
and transformers adds the files of the tokenizer after `save_pretrained` of the model.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from pentanet.errors import FormatError, SealError, UnreadableFileError
from pentanet.regular import open_regular

SEALED = ("config.json", "tokenizer.json", "generation_config.json", "tokenizer_config.json", "chat_template.jinja")
"""The files that a seal can name, in its order."""
ABSENT = "0" * 64  # in the place of a sha256; as long as one, so that the size of a header is known beforehand
MAX_SEALED = 1 << 28  # bytes of each; the largest tokenizers have 35 MB
_BLOCK = 1 << 20


def seal_of(files: Mapping[str, bytes]) -> dict[str, str]:
    """The seal of a directory with these files, by name: the hex sha256 of each of SEALED, ABSENT where it is not."""
    return {name: hashlib.sha256(files[name]).hexdigest() if name in files else ABSENT for name in SEALED}


def seal_of_folder(folder: Path) -> dict[str, str]:
    """The seal of a directory as it stands.

    Raises:
        UnreadableFileError: one of the files cannot be read, or is no regular file.
        FormatError: one that is larger than such files are.
    """
    return {name: _digest(folder / name) for name in SEALED}


def differences(folder: Path, seal: Mapping[str, str]) -> dict[str, str]:
    """What is not as the seal says: "changed", "removed" or "added", by name.  Raises as `seal_of_folder`."""
    found: dict[str, str] = {}
    for name, written in seal.items():
        now = _digest(folder / name)
        if now != written:
            found[name] = "removed" if now == ABSENT else "added" if written == ABSENT else "changed"
    return found


def check_seal(folder: Path, seal: Mapping[str, str]) -> None:
    """Compare the files of a model directory with its seal.

    In the cache of Hugging Face's hub a file that is missing is one that nobody asked for yet, and no fault.

    Raises:
        SealError: a file was changed, removed or added since the directory was written; names the first.
        UnreadableFileError, FormatError: see `seal_of_folder`.
    """
    cached = _is_snapshot(folder)
    for name, what in differences(folder, seal).items():
        if not (cached and what == "removed"):
            raise SealError(folder, name, what)


def _digest(path: Path) -> str:
    if not os.path.lexists(path):
        return ABSENT
    hashed = hashlib.sha256()
    size = 0
    try:
        with open_regular(path) as file:
            while block := file.read(_BLOCK):
                hashed.update(block)
                size += len(block)
                if size > MAX_SEALED:
                    raise FormatError(f"{path}: larger than {MAX_SEALED} bytes, which no such file is")
    except OSError as error:
        raise UnreadableFileError(path, error) from error
    return hashed.hexdigest()


def _is_snapshot(folder: Path) -> bool:
    parents = folder.resolve().parents
    return any(place.name == "snapshots" and place.parent.name.startswith("models--") for place in parents)
