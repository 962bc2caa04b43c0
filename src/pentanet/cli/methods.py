"""pentanet methods."""

from __future__ import annotations

from pentanet.cli.options import Flag


def methods(*, json: Flag = False) -> None:
    """List the weight methods, with grid, granularity, bits and paper.

    Parameters
    ----------
    json
        Print the list as JSON.
    """
    from pentanet.bench.catalogue import describe
    from pentanet.cli import console
    from pentanet.quant import METHODS

    rows = describe(METHODS)
    if json:
        console.print_json(rows)
        return
    console.out.print(
        f"{'method':24}  {'grid':10}  {'scale per':9}  {'bits':>6}  {'paper':10}  what it is", style="bold"
    )
    for row in rows:
        words = f"{row['name']:24}  {row['grid'] or '':10}  {row['granularity'] or '':9}"
        console.out.print(f"{words}  {row['bits']:6.3f}  {row['paper']:10}  {row['title']}", soft_wrap=True)
