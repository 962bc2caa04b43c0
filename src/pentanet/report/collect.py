"""Where the records lie: one bench, or a folder of several."""

from __future__ import annotations

from pathlib import Path

from pentanet.errors import MissingFileError

SUMMARY = "summary.json"


def benches(out: Path) -> list[Path]:
    """`out` if it is a bench, else the benches in it, by name.

    Raises:
        MissingFileError: no summary in either.
    """
    if (out / SUMMARY).is_file():
        return [out]
    found = sorted(path.parent for path in out.glob(f"*/{SUMMARY}"))
    if not found:
        raise MissingFileError(
            out / SUMMARY,
            "A report is made of a bench: run `pentanet bench`, or name the directory that it wrote, or a folder of "
            "such directories.",
        )
    return found
