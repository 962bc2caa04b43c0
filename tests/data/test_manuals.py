"""What every Python says of itself is text enough to calibrate on."""

from __future__ import annotations

import json
import sys

from pentanet.data import manuals


def test_docstrings_of_the_standard_library():
    text = manuals.library_docstrings()
    assert (json.__doc__ or "").strip() in text
    assert len(text) > 300_000
    assert manuals.library_docstrings() is text, "read once"


def test_the_manual_of_the_language():
    text = manuals.language_manual()
    assert "assert" in text and len(text) > 200_000


def test_what_is_not_there_is_left_out(monkeypatch, tmp_path):
    """An installation without the chapters, and modules whose sources cannot be read."""
    monkeypatch.setitem(sys.modules, "pydoc_data.topics", None)
    (tmp_path / "broken.py").write_text("def (")
    (tmp_path / "latin.py").write_bytes(b'"""\xe4' + b"a" * 300 + b'"""')
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "stdlib_module_names", frozenset({"broken", "latin", "sys", "no_such_module"}))
    assert manuals.language_manual.__wrapped__() == ""
    assert manuals.library_docstrings.__wrapped__() == ""
