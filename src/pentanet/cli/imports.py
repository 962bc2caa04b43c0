"""pentanet import."""

from __future__ import annotations

from pathlib import Path

from pentanet.cli.options import Flag


def import_model(
    source: Path,
    *,
    out: Path,
    overwrite: Flag = False,
    json: Flag = False,
) -> None:
    """Turn a model that another program quantized into a model directory, without rounding it again.

    Parameters
    ----------
    source
        A .gguf file of TQ1_0, TQ2_0, Q8_0, Q4_0 or an exported Q3_K; or a packed BitNet directory of transformers.
    out
        Model directory to write.
    overwrite
        Replace a model directory that is there.
    json
        Print what the directory holds as JSON.
    """
    from pentanet.cli import console
    from pentanet.cli.inspect import show
    from pentanet.integrations.import_quantized import import_model as read

    found = read(source, out, overwrite=overwrite)
    if json:
        console.print_json(found.to_dict())
    else:
        show(found)
