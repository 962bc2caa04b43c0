"""Messages: what a file chose is cut, and never reaches a terminal raw."""

from __future__ import annotations

from pathlib import Path

from pentanet.errors import FormatError, UnknownKeyError, UnreadableFileError, shown


def test_foreign_text_is_cut_and_escaped() -> None:
    assert shown("plain") == "plain"
    assert shown("x" * 200) == "x" * 200
    assert shown("x" * 10**6) == "x" * 197 + "..."
    assert shown("\x1b[2Ja\nb\x9b") == "\\x1b[2Ja\\nb\\x9b"


def test_no_message_has_control_characters() -> None:
    assert str(FormatError("a\x1b]0;title\x07\nb\tc")) == "a\\x1b]0;title\\x07\nb\tc"
    assert "\x1b" not in str(UnreadableFileError(Path("\x1b[31mx"), OSError(5, "late")))
    assert len(str(UnknownKeyError("k" * 10**5, ["known"], "here"))) < 300
