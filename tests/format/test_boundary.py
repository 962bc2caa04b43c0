"""Foreign exceptions become errors that name the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from pentanet.errors import FormatError, ShapeError, UnreadableFileError
from pentanet.format.boundary import reading

FILE = Path("model/config.json")


@pytest.mark.parametrize("error", [OverflowError("10^400"), TypeError("unhashable"), KeyError("k"), RecursionError()])
def test_any_exception_names_the_file(error: Exception) -> None:
    with pytest.raises(FormatError, match=r"config\.json: cannot be understood"), reading(FILE):
        raise error


def test_what_is_understood_passes() -> None:
    with pytest.raises(ShapeError, match=r"^as it was$"), reading(FILE):
        raise ShapeError("as it was")
    with pytest.raises(MemoryError), reading(FILE):
        raise MemoryError
    with pytest.raises(KeyboardInterrupt), reading(FILE):
        raise KeyboardInterrupt
    with pytest.raises(UnreadableFileError, match="Input/output error"), reading(FILE):
        raise OSError(5, "Input/output error")
