"""Which files of a model directory are read: regular ones that lie in it, or in the hub's cache that it is a part of.

A directory may come from a stranger, and a symbolic link in it could point at any file of the reader's, whose content
would go into what is made of the model. So a link is followed where its target is in the directory itself, or, for a
snapshot in the cache of Hugging Face's hub (`models--OWNER--NAME/snapshots/REVISION`), in the `blobs` of that model.
Another link is refused by name.
"""

from __future__ import annotations

import os
from pathlib import Path

from pentanet.errors import FormatError, UnsafeFileError

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


def own_file(folder: Path, name: str) -> Path | None:
    """A regular file of a model directory; None where there is none of the name.

    Raises:
        UnsafeFileError: a link that leads out of the directory, or no regular file.
    """
    file = folder / name
    if not os.path.lexists(file):
        return None
    try:
        target, root = file.resolve(), folder.resolve()
    except (OSError, RuntimeError) as error:
        raise UnsafeFileError(f"{file}: a link that leads nowhere ({error})") from None
    if not any(target.is_relative_to(place) for place in (root, *_blobs(root))):
        raise UnsafeFileError(
            f"{file}: is a link to {target}, which is outside of the directory. Copy the file into the directory if it "
            "belongs to the model."
        )
    if not target.exists():
        return None
    if not target.is_file():
        raise UnsafeFileError(f"{file}: not a regular file")
    return file


def read_beside(folder: Path) -> dict[str, bytes]:
    """Content of the files in `BESIDE` that a directory has, by name.

    Raises:
        UnsafeFileError: see `own_file`.
        FormatError: one that is larger than such files are.
    """
    found: dict[str, bytes] = {}
    for name in BESIDE:
        if (file := own_file(folder, name)) is None:
            continue
        if file.stat().st_size > MAX_BESIDE:
            raise FormatError(f"{file}: larger than {MAX_BESIDE} bytes, which no such file is")
        found[name] = file.read_bytes()
    return found


def _blobs(root: Path) -> list[Path]:
    return [
        parent.parent / "blobs"
        for parent in root.parents
        if parent.name == "snapshots" and parent.parent.name.startswith("models--")
    ]
