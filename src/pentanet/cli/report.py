"""pentanet report."""

from __future__ import annotations

from pathlib import Path

from pentanet.cli.options import Flag


def report(out: Path, *, json: Flag = False) -> None:
    """Draw OUT/report/index.html, one page that works offline, from the records of a benchmark.

    Parameters
    ----------
    out
        Directory of `pentanet bench`.
    json
        Print the summary as JSON.
    """
    from pentanet.cli import console
    from pentanet.report import report as draw
    from pentanet.report.records import read_summary

    page = draw(out)
    if json:
        console.print_json({"page": str(page), **read_summary(out)})
    else:
        console.show_bench(read_summary(out), page)
