"""Text that comes with every Python: the manual of the language, and the docstrings of the standard library.

It needs no network and no file of ours.  It differs a little between releases of Python.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

_SHORTEST = 200  # characters of a docstring; shorter ones are no prose


@cache
def language_manual() -> str:
    """The chapters on the language that `help()` shows; "" where an installation left them out."""
    try:
        topics: dict[str, str] = importlib.import_module("pydoc_data.topics").topics
    except ModuleNotFoundError:
        return ""
    return "\n\n".join(topics[name].strip() for name in sorted(topics)) + "\n"


@cache
def library_docstrings() -> str:
    """Docstrings of the standard library's modules, classes and functions; "" where their sources are not there."""
    return "".join(f"{text}\n\n" for name in sorted(sys.stdlib_module_names) for text in _docstrings(name))


def _docstrings(module: str) -> Iterator[str]:
    try:
        spec = importlib.util.find_spec(module)
        if spec is None or not (spec.origin or "").endswith(".py"):
            return
        tree = ast.parse(Path(str(spec.origin)).read_text(encoding="utf-8"))
    except (ImportError, OSError, SyntaxError, ValueError):  # of another platform, or without its source
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node) or ""
            if len(text) >= _SHORTEST:
                yield text
