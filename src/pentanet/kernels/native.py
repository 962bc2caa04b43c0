"""The native engine: whether it is there, and which instruction set it uses.

It is compiled when the package is installed.  Without a compiler the installation succeeds all the same, notes why, and
packed models run on the slow path (`pentanet.runtime.modules`).
"""

from __future__ import annotations

import importlib
import importlib.util
import os

from pentanet.errors import EngineError

ISA_VARIABLE = "PENTANET_ISA"
_NAME = "pentanet._native"
_NOTE = "pentanet._native_missing"  # what native/cmake/compiler.cmake installs in place of it


def available() -> bool:
    """Whether the engine was compiled."""
    return importlib.util.find_spec(_NAME) is not None


def why_missing() -> str:
    """Why the engine was not compiled, as the installation noted it."""
    if importlib.util.find_spec(_NOTE) is None:
        return "the installation does not say why"
    return str(importlib.import_module(_NOTE).REASON)


def require() -> None:
    """Raises EngineError, saying what to do, if the engine was not compiled."""
    if not available():
        raise EngineError(
            f"the native engine was not compiled when pentanet was installed: {why_missing()}. Install a C++20 "
            "compiler (g++ 12 or clang 14) and pentanet again, or use --engine torch."
        )


def is_multiplier_free(isa: str) -> bool:
    """Whether an instruction set sums by additions, shifts and look-ups alone; it is then used by name only."""
    return isa.startswith("shift-add")


def instruction_set() -> str:
    """Name of the instruction set in use: the fastest of this machine, or what PENTANET_ISA says.

    Raises:
        EngineError: the engine was not compiled, or PENTANET_ISA names a set that is unknown or not there.
    """
    require()
    from pentanet import _native

    name = os.environ.get(ISA_VARIABLE, "")
    if not name.isascii():  # what is no UTF-8 comes as text that nothing can encode
        raise EngineError(f"{ISA_VARIABLE}: {name!a:.80} names no instruction set: those have ASCII names")
    try:
        return _native.find_isa(name)
    except ValueError as error:
        raise EngineError(f"{ISA_VARIABLE}: {error}") from None
