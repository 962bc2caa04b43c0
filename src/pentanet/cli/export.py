"""pentanet export."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pentanet.cli.options import Flag


def export(
    model: Path,
    *,
    out: Path,
    format: Literal["gguf"] = "gguf",  # noqa: A002
    ternary: Literal["TQ2_0", "TQ1_0"] = "TQ2_0",
    overwrite: Flag = False,
    json: Flag = False,
) -> None:
    """Write a packed model as a file of another program.

    Parameters
    ----------
    model
        Model directory.
    out
        File to write.
    format
        gguf: for llama.cpp and what is built on it.
    ternary
        Type of ternary matrices in GGUF: TQ2_0 is faster, TQ1_0 smaller.
    overwrite
        Replace a file that is there.
    json
        Print what was written as JSON.
    """
    from pentanet.cli import console
    from pentanet.integrations.gguf.export import export

    del format  # there is one
    with console.stages() as tell:
        found = export(
            model, out, ternary=ternary, overwrite=overwrite, progress=lambda n, total: tell("tensors", n, total)
        )
    if json:
        console.print_json(found.to_dict())
    else:
        console.print_facts(found.to_dict())
