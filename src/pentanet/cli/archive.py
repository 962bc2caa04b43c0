"""pentanet archive and pentanet unarchive."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pentanet.cli.options import Flag

if TYPE_CHECKING:
    from pentanet.archive.report import Archived


def archive(model: Path, *, out: Path, overwrite: Flag = False, compare: Flag = False, json: Flag = False) -> None:
    """Write a packed model as one file that is as small as its statistics allow.

    Parameters
    ----------
    model
        Model directory.
    out
        File to write.
    overwrite
        Replace a file that is there.
    compare
        Also measure how fast levels are coded, and what the route of the quinary record of parameter-golf makes of the
        same weights, which takes minutes.
    json
        Print what each stream takes as JSON.
    """
    from pentanet.archive.compare import compare as measure
    from pentanet.archive.write import archive
    from pentanet.cli import console

    with console.stages() as tell:
        found = archive(model, out, overwrite=overwrite, progress=lambda n, total: tell("tensors", n, total))
        compared = measure(model, progress=lambda n, total: tell("compared", n, total)) if compare else None
    if json:
        console.print_json(found.to_dict() | ({"compared": compared.to_dict()} if compared else {}))
        return
    _show(found)
    if compared:
        console.out.print()
        console.print_facts({**compared.to_dict(), "of_record": f"{100 * found.bytes / compared.record_bytes:.2f} %"})


def unarchive(file: Path, *, out: Path, overwrite: Flag = False, json: Flag = False) -> None:
    """Make the model directory of an archive again.

    Parameters
    ----------
    file
        Archive, as `pentanet archive` wrote it.
    out
        Model directory to make.
    overwrite
        Replace a model directory that is there.
    json
        Print where it is as JSON.
    """
    from pentanet.archive.read import unarchive
    from pentanet.cli import console

    with console.stages() as tell:
        made = unarchive(file, out, overwrite=overwrite, progress=lambda n, total: tell("tensors", n, total))
    facts = {"model": str(made), "bytes": sum(path.stat().st_size for path in made.iterdir())}
    if json:
        console.print_json(facts)
    else:
        console.print_facts(facts)


def _show(found: Archived) -> None:
    from rich.table import Table

    from pentanet.cli import console

    table = Table(box=None, header_style="bold", padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("streams", no_wrap=True)
    for name in ("bytes", "archived", "entropy", "bits each"):
        table.add_column(name, justify="right", no_wrap=True)
    for kind, (codes, raw, packed, bound) in found.kinds().items():
        each = f"{8 * packed / codes:.3f}" if codes else ""
        table.add_row(kind, f"{raw:,}", f"{packed:,}", f"{bound:,.0f}", each)
    console.print_table(table)
    console.out.print(
        f"\n{found.path}: {found.bytes:,} bytes, {100 * found.bytes / max(found.raw_bytes, 1):.1f} % of the "
        f"{found.raw_bytes:,} of the directory",
        soft_wrap=True,
    )
