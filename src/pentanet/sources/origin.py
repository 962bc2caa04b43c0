"""What a pretrained model says of itself: its name on the hub, its licence and its language, for the model card.

The front matter of README.md is read line by line, for these keys only: what is not there in the plain form that the
hub writes stays unknown.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pentanet.errors import UnreadableFileError
from pentanet.regular import own_file, read_regular

_LONGEST = 200
_MAX_README = 1 << 22  # bytes that are looked at
_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_LINE = re.compile(r"(license|license_name|license_link|language):[ \t]*(\S.*)?")


def from_directory(folder: Path) -> dict[str, str]:
    """Facts for `pentanet.format.card.model_card`: license, license_name, license_link, language, base_model.

    Raises:
        UnsafeFileError: a README.md that is a link out of the directory.
        UnreadableFileError: one that the system does not let be read.
    """
    facts: dict[str, str] = {}
    readme = own_file(folder, "README.md")
    if readme is not None:
        try:
            facts |= _front_matter(read_regular(readme, _MAX_README).decode("utf-8", "replace"))
        except OSError as error:
            raise UnreadableFileError(readme, error) from error
    for parent in folder.resolve().parents:
        owner, _, name = parent.name.removeprefix("models--").partition("--")
        if parent.name.startswith("models--"):
            return _with_base(facts, f"{owner}/{name}")
    return facts


def from_gguf(fields: Mapping[str, Any]) -> dict[str, str]:
    """The same of the metadata of a GGUF file."""
    keys = {"license": "general.license", "license_name": "general.license.name"}
    keys["license_link"] = "general.license.link"
    facts = {name: text for name, key in keys.items() if (text := _short(fields.get(key)))}
    url = fields.get("general.base_model.0.repo_url") or fields.get("general.source.url")
    return _with_base(facts, str(url).removeprefix("https://huggingface.co/") if url else None)


def _front_matter(text: str) -> dict[str, str]:
    if not text.startswith("---"):
        return {}
    facts: dict[str, str] = {}
    lines = text.split("\n---", 1)[0].splitlines()[1:]
    for line, after in zip(lines, [*lines[1:], ""], strict=True):
        if found := _LINE.fullmatch(line):
            item = after[2:] if found[1] == "language" and after.startswith("- ") else ""
            if value := _short((found[2] or item).strip().strip("\"'")):
                facts[found[1]] = value
    return facts


def _short(value: object) -> str:
    return value if isinstance(value, str) and 0 < len(value) <= _LONGEST and value[0] not in "[{&*|>" else ""


def _with_base(facts: dict[str, str], name: object) -> dict[str, str]:
    known = isinstance(name, str) and len(name) <= _LONGEST and _REPOSITORY.fullmatch(name) is not None
    return facts | {"base_model": str(name)} if known else facts
