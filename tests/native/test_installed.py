"""An engine that does not compile leaves a package that works; so its absence must be noticed here."""

from __future__ import annotations

import shutil

import pytest

from pentanet.runtime import native


@pytest.mark.skipif(shutil.which("c++") is None, reason="no compiler")
def test_the_engine_was_compiled_where_there_is_a_compiler() -> None:
    assert native.available(), "it did not compile: see `pip install --verbose --editable .`"
