"""pentanet pack."""

from __future__ import annotations

from pathlib import Path

from pentanet.cli.options import Flag
from pentanet.errors import ConfigError


def pack(
    run: Path,
    *,
    out: Path | None = None,
    layout: str = "",
    overwrite: Flag = False,
    reseal: Flag = False,
    json: Flag = False,
) -> None:
    """Pack the newest checkpoint of a run into a model directory.

    Parameters
    ----------
    run
        Run directory of `pentanet train`; with --reseal a model directory.
    out
        Model directory to write; RUN/model by default.
    layout
        Of the quantized matrices: pentanary-7bit, ternary-5in8, ternary-2bit, sparse-ternary-5bit, binary-1bit,
        nibble, byte; for each the densest that fits by default.
    overwrite
        Replace a model directory that is there.
    reseal
        Accept what was changed by hand in config.json, tokenizer.json, generation_config.json, tokenizer_config.json
        or chat_template.jinja of a model directory, and pack nothing.
    json
        Print what the directory holds, or what was accepted, as JSON.
    """
    from pentanet.cli import console

    if reseal:
        given = {"--out": out is not None, "--layout": layout != "", "--overwrite": overwrite}
        if names := [name for name, there in given.items() if there]:
            raise ConfigError(f"--reseal packs nothing and has no use for {', '.join(names)}; leave it out")
        _reseal(run, json)
        return
    from pentanet.cli.inspect import show
    from pentanet.training.pack import pack as write

    found = write(run, out or run / "model", layout=layout or None, overwrite=overwrite)
    if json:
        console.print_json(found.to_dict())
    else:
        show(found)


def _reseal(model: Path, json: bool) -> None:
    from pentanet.cli import console
    from pentanet.format.reseal import reseal

    found = reseal(model)
    if json:
        console.print_json({"path": str(found.path), "written": found.written, "accepted": dict(found.accepted)})
        return
    console.out.print(f"{found.path}: {'sealed' if found.written else 'the seal fits, nothing to do'}", soft_wrap=True)
    console.print_facts(found.accepted)
