"""pentanet report."""

from __future__ import annotations

from pathlib import Path

from pentanet.cli.options import Flag


def report(
    out: Path,
    *,
    figures: Flag = False,
    paper: Flag = False,
    json: Flag = False,
) -> None:
    """Draw OUT/report/index.html, one page that works offline, from the records of a benchmark.

    Parameters
    ----------
    out
        Directory of `pentanet bench`, or a folder of several such directories.
    figures
        Also write the figures for print into OUT/report/figures: SVG, PDF and PNG.
    paper
        Also write OUT/report/paper.pdf, a paper with method, tables, figures and threats to validity.
    json
        Print the summary as JSON; of several benchmarks, the files that were written.
    """
    from pentanet.cli import console
    from pentanet.report.collect import benches
    from pentanet.report.page import read, write_page
    from pentanet.report.records import read_summary

    folders = benches(out)
    suites = [(folder, *read(folder)) for folder in folders]
    pages = [str(write_page(*suite)) for suite in suites]
    written: list[str] = []
    if figures:
        from pentanet.report.figures import draw

        written += [str(path) for where, bench, runs in suites for path in draw(bench, runs, where / "report/figures")]
    if paper:
        from pentanet.report.paper import write_paper

        written.append(str(write_paper(suites, out / "report" / "paper.pdf")))
    if json and len(folders) == 1:
        console.print_json({"page": pages[0], "files": written, **read_summary(folders[0])})
    elif json:
        console.print_json({"pages": pages, "files": written})
    else:
        for folder, page in zip(folders, pages, strict=True):
            console.show_bench(read_summary(folder), Path(page))
        for path in written:
            console.out.print(f"  {path}", soft_wrap=True)
