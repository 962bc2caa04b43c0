"""Mistakes that a user can mend.

Every class here names one broken rule.  A message says which thing is wrong (file, tensor, key) and what to do
about it.  The command line prints the message without a traceback and exits with `exit_code`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

_SHOWN = 200  # characters of foreign text that one message repeats
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class PentaNetError(Exception):
    """Base of every error that the user can mend."""

    exit_code = 2

    def __str__(self) -> str:
        return _escaped(super().__str__())


def shown(text: str) -> str:
    """Text of a file as a message may repeat it: at most 200 characters, without control characters."""
    return _escaped(text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "...").replace("\n", "\\n")


def _escaped(text: str) -> str:
    """Control characters but line ends and tabs as escapes: a terminal would obey those that a file chose."""
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ` Did you mean 'x'?` for the nearest known word, or a list of all of them."""
    choices = sorted(known)
    near = get_close_matches(word, choices, n=1, cutoff=0.6)
    return f" Did you mean '{near[0]}'?" if near else f" Known: {', '.join(choices)}."


# -- configuration ------------------------------------------------------------------------------------------------


class ConfigError(PentaNetError):
    """A setting has a value that cannot work."""


class UnknownKeyError(ConfigError):
    """A configuration names a key that does not exist."""

    def __init__(self, key: str, known: Iterable[str], where: str) -> None:
        super().__init__(f"{where}: unknown key '{shown(key)}'.{did_you_mean(key, known)}")


class UnknownNameError(ConfigError):
    """A method, grid, preset, layout or suite that is not in its registry."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        super().__init__(f"unknown {kind} '{shown(name)}'.{did_you_mean(name, known)}")


class MissingExtraError(PentaNetError):
    """A feature needs a package that is not installed."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(f"{purpose} needs the package '{package}': pip install 'pentanet[{extra}]'")


# -- text and tokens ----------------------------------------------------------------------------------------------


class DataError(PentaNetError):
    """Text or tokens that cannot be used."""


class MissingFileError(PentaNetError):
    """A file or folder that does not exist."""

    def __init__(self, path: Path | str, hint: str) -> None:
        super().__init__(f"{path}: no such file or directory. {hint}")


class EncodingError(DataError):
    """Text that is not UTF-8."""


class EmptyTextError(DataError):
    """Text without a single token."""


class TextTooShortError(DataError):
    """A token stream shorter than one training window."""


class TokenizerMismatchError(DataError):
    """Tokens of one tokenizer meet a model of another."""


# -- model files --------------------------------------------------------------------------------------------------


class FormatError(PentaNetError):
    """A model file breaks a rule of its format."""


class UnreadableFileError(FormatError):
    """A file that is there, but that the system does not let us read."""

    def __init__(self, path: Path | str, error: Exception) -> None:
        reason = getattr(error, "strerror", None) or str(error)
        super().__init__(f"{path}: cannot be read: {reason}. Check that it is a file and its permissions.")


class HeaderError(FormatError):
    """The header of a tensor file is missing, too large, or not what the format says."""


class ModelConfigError(FormatError):
    """A config.json that does not describe a packed model, or not consistently."""


class TruncatedFileError(FormatError):
    """A file ends before its header says so."""


class ChecksumError(FormatError):
    """Bytes differ from the checksum that was written with them."""


class SealError(FormatError):
    """A file beside the weights that is not as it was when the directory was written."""

    def __init__(self, folder: Path, name: str, what: str) -> None:
        super().__init__(
            f"{folder / name}: was {what} after the directory was written. Copy the directory again, or accept this "
            f"with: pentanet pack --reseal {folder}"
        )


class ShapeError(FormatError):
    """A tensor has another shape or size than its configuration says."""


class MissingTensorError(FormatError):
    """A tensor that the configuration promises is not in the file."""


class UnexpectedTensorError(FormatError):
    """A tensor in the file that the configuration does not know."""


class CodeError(FormatError):
    """Packed bytes that no encoder writes (a code outside the grid, or padding that is not canonical)."""


class ScaleError(FormatError):
    """A scale that is NaN, infinite or not positive."""


class NonFiniteWeightError(FormatError):
    """A weight that is NaN or infinite."""


class BiasError(FormatError):
    """A bias that is not finite."""


class ArchiveError(FormatError):
    """An archive that is damaged or was not written by pentanet, or something that none can hold."""


class VersionError(FormatError):
    """A file of a format version that this release does not read."""


class UnsupportedArchitectureError(FormatError):
    """A pretrained network that no code here runs."""


class UnsafeFileError(FormatError):
    """A file that can run code when it is opened (pickle), and that was not asked for explicitly."""


class WriteError(PentaNetError):
    """A file or directory that could not be written, or must not be replaced; what was there before is untouched."""

    def __init__(self, path: Path | str, reason: str) -> None:
        super().__init__(f"{path}: not written: {reason}")
        self.reason = reason


class NonFiniteActivationError(PentaNetError):
    """A model whose activations, or the loss measured with it, become NaN or infinite."""


class UnconfirmedWriteError(PentaNetError):
    """The new file or directory is in its place, but the disk did not confirm that it would outlast a loss of power."""

    def __init__(self, path: Path | str, reason: str) -> None:
        super().__init__(
            f"{path}: the new one is written and in its place, but the disk did not confirm it: {reason}. "
            "Check the disk, and write again if in doubt."
        )


# -- training -----------------------------------------------------------------------------------------------------


class CheckpointError(PentaNetError):
    """No usable checkpoint, or one of another run."""


class NonFiniteLossError(PentaNetError):
    """The loss or the gradient became NaN or infinite; names the step and the last good checkpoint."""


class UnpackableError(PentaNetError):
    """A model that cannot be written in the requested layout."""


class SmallShareError(PentaNetError):
    """A model of which only a small share of the weights would be quantized."""


class ExportError(PentaNetError):
    """A model that the program it is exported for does not have, or would read otherwise."""


# -- native engine ------------------------------------------------------------------------------------------------


class EngineError(PentaNetError):
    """The native engine is not there, or was asked for an instruction set that it does not have."""


class ChatTemplateError(PentaNetError):
    """A model has no chat template, or one that fails."""


# -- reports ------------------------------------------------------------------------------------------------------


class UnsupportedModelError(EngineError):
    """A model that runs with torch, but not in the native engine."""


class RecordError(PentaNetError):
    """A run record (summary, metrics, configuration) that cannot be read."""


# -- benchmarks ---------------------------------------------------------------------------------------------------


class BenchError(PentaNetError):
    """Runs of a benchmark that failed; the others are finished and stay."""
