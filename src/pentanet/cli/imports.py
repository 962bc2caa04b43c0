"""pentanet import."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pentanet.cli.options import Flag, Size


def import_model(
    source: Path,
    *,
    out: Path,
    masters: Flag = False,
    shards: Size = 0,
    method: Literal["pentanet-seed", "bitnet-seed"] | None = None,
    allow_pickle: Flag = False,
    overwrite: Flag = False,
    json: Flag = False,
) -> None:
    """Turn a model that others quantized, or trained to be rounded, into a model directory with the same weights.

    Parameters
    ----------
    source
        A .gguf file of TQ1_0, TQ2_0, Q8_0, Q4_0 or an exported Q3_K; or a BitNet directory of transformers, packed or
        with the bfloat16 masters, which are rounded as in training; or ternary weights written out in floats (TriLM);
        or a .pt file of PentaNet's training script.
    out
        Model directory to write.
    masters
        The floats of a directory are BitNet masters, though its config.json does not say so.
    shards
        Parts that a ternary matrix written out in floats may have with scales of their own; 0 for as many as are found.
    method
        What rounds a .pt file of PentaNet's training script: five levels or three. By default what its name says.
    allow_pickle
        Read pytorch_model.bin, if a directory has no safetensors, and .pt files.
    overwrite
        Replace a model directory that is there.
    json
        Print what the directory holds as JSON.
    """
    from pentanet.cli import console
    from pentanet.cli.inspect import show
    from pentanet.integrations.imported.run import import_model as read

    found = read(
        source, out, masters=masters, shards=shards, method=method, allow_pickle=allow_pickle, overwrite=overwrite
    )
    if json:
        console.print_json(found.to_dict())
    else:
        console.out.print(f"found: {found.kind}\n", soft_wrap=True)
        show(found.model)
