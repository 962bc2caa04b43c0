"""The boundary between a model directory and the code that reads it: what a file breaks is a FormatError."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from pentanet.errors import FormatError, PentaNetError, UnreadableFileError, shown


@contextmanager
def reading(file: Path) -> Generator[None]:
    """Turn every foreign exception while `file` is read into an error that names it.

    A value of a wrong kind or size should meet a check with a better message; this catches what no check foresaw.
    Too little memory stays what it is, since the machine may be at fault.

    Raises:
        UnreadableFileError: the system does not let it be read.
        FormatError: any other exception.
    """
    try:
        yield
    except (PentaNetError, MemoryError):
        raise
    except OSError as error:
        raise UnreadableFileError(file, error) from error
    except Exception as error:
        what = f"{type(error).__name__}: {shown(str(error))}"
        raise FormatError(
            f"{file}: cannot be understood ({what}). The file is damaged or was not written by pentanet."
        ) from error
