"""pentanet pack."""

from __future__ import annotations

from pathlib import Path

from pentanet.cli.options import Flag


def pack(
    run: Path,
    *,
    out: Path | None = None,
    layout: str = "",
    overwrite: Flag = False,
    json: Flag = False,
) -> None:
    """Pack the newest checkpoint of a run into a model directory.

    Parameters
    ----------
    run
        Run directory of `pentanet train`.
    out
        Model directory to write; RUN/model by default.
    layout
        Of the quantized matrices: pentanary-7bit, ternary-5in8, ternary-2bit, sparse-ternary-5bit, binary-1bit,
        nibble, byte; for each the densest that fits by default.
    overwrite
        Replace a model directory that is there.
    json
        Print what the directory holds as JSON.
    """
    from pentanet.cli import console
    from pentanet.cli.inspect import show
    from pentanet.training.pack import pack as write

    found = write(run, out or run / "model", layout=layout or None, overwrite=overwrite)
    if json:
        console.print_json(found.to_dict())
    else:
        show(found)
