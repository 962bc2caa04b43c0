"""pentanet report."""

from __future__ import annotations

from pathlib import Path

from pentanet.cli.options import Flag


def report(
    out: Path,
    *,
    to: Path | None = None,
    figures: Flag = False,
    paper: Flag = False,
    json: Flag = False,
) -> None:
    """Draw a benchmark as one page that works offline, index.html, from its records.

    Parameters
    ----------
    out
        Directory of `pentanet bench`, or a folder of several such directories.
    to
        Where to write; OUT/report by default. Several benchmarks have a folder each in it.
    figures
        Also write the figures for print into the folder `figures`: SVG, PDF and PNG.
    paper
        Also write paper.pdf with method, tables, figures and threats to validity; one for all benchmarks.
    json
        Print the summary as JSON; of several benchmarks, the files that were written.
    """
    from pentanet.cli import console
    from pentanet.report.collect import benches
    from pentanet.report.page import read, write_page

    sources, target = benches(out), to or out / "report"
    folders = [target if source == out else target / source.name for source in sources]
    suites = [read(source) for source in sources]
    pages = [write_page(bench, runs, folder) for (bench, runs), folder in zip(suites, folders, strict=True)]
    written: list[Path] = []
    if figures:
        from pentanet.report.figures import draw

        for (bench, runs), folder in zip(suites, folders, strict=True):
            written += draw(bench, runs, folder / "figures")
    if paper:
        from pentanet.report.paper import write_paper

        written.append(write_paper(suites, target / "paper.pdf"))
    files = [str(path) for path in written]
    if json and len(sources) == 1:
        console.print_json({"page": str(pages[0]), "files": files, **suites[0][0].facts})
    elif json:
        console.print_json({"pages": [str(page) for page in pages], "files": files})
    else:
        for (bench, _), page in zip(suites, pages, strict=True):
            console.show_bench(bench, page)
        for file in files:
            console.out.print(f"  {file}", soft_wrap=True)
