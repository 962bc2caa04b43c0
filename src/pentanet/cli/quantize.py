"""pentanet quantize."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from pentanet.cli.options import Count, Flag, Size, TorchThreads

_ROUNDED_WELL = 16
"""Levels from which on rounding to the nearest keeps a pretrained model: int4 has so many."""


def quantize(
    model: Path,
    *,
    out: Path,
    method: Literal["rtn", "ptqtp", "gptq", "refine"] = "rtn",
    grid: str = "",
    bits_budget: float = 0.0,
    group: Size = 128,
    planes: Count = 2,
    tied: Flag = False,
    calibration: Path | None = None,
    samples: Count = 48,
    window: Count = 512,
    damping: float = 0.01,
    act_order: bool = True,
    embedding: Literal["int8", "bfloat16", "float32"] = "int8",
    rotate: Flag = False,
    force: Flag = False,
    text: Path | None = None,
    context: Size = 1024,
    limit: Size = 0,
    workers: Size = 0,
    threads: TorchThreads | None = None,
    allow_pickle: Flag = False,
    overwrite: Flag = False,
    json: Flag = False,
) -> None:
    """Turn a pretrained model into a packed model directory; a run that was stopped goes on where it was.

    Parameters
    ----------
    model
        Hugging Face model directory, or a .gguf file.
    out
        Model directory to write.
    method
        rtn: round each group of weights to the nearest levels; ptqtp: sums of ternary matrices; both look at no text.
        gptq: spread each rounding error over the weights that follow. refine: the same, aimed at making up for the
        errors of earlier layers, and improved level by level. Both look at a text.
    grid
        binary, ternary, quaternary, pentanary, septenary, nonary, int2 to int8; by default int8 where weights are only
        rounded, pentanary where a text calibrates.
    bits_budget
        Bits per weight of the linears, scales included: the grid of each matrix is chosen by its measured error.
    group
        Inputs that share a scale, or the largest divisor of a row below that; 0 for whole rows.
    planes
        Of ptqtp: 2 or 3 ternary matrices.
    tied
        Of ptqtp: one scale is three times the other, nine even levels in half of the engine's work.
    calibration
        Text file that gptq and refine look at; by default text that the model writes, and Python's docstrings.
    samples
        Windows of it.
    window
        Tokens of each.
    damping
        Of gptq and refine: this share of the mean diagonal is added to the Hessian.
    act_order
        Of gptq and refine: take inputs with large activations first.
    embedding
        Storage of embedding and head.
    rotate
        Turn the network's coordinates first, so that fewer weights stick out; this is folded into the weights, and a
        tied head becomes a matrix of its own. Not for GPT-2.
    force
        Round to fewer than 16 levels without a text, which makes noise of a pretrained model.
    text
        Text file on which the perplexity before and after is measured.
    context
        Window in tokens for that; windows stand side by side.
    limit
        Measure the first so many tokens of it only; 0 for all.
    workers
        Matrices that are worked on at a time, each by one thread; 0 for one on each core.
    threads
        For torch elsewhere; all cores by default.
    allow_pickle
        Read pytorch_model.bin, if the model has no safetensors.
    overwrite
        Replace a model directory that is there.
    json
        Print the result as JSON.
    """
    import torch

    from pentanet.cli import console
    from pentanet.errors import ConfigError
    from pentanet.grid import grid as find_grid
    from pentanet.machine import usable_cores
    from pentanet.ptq.calibrate import read_windows
    from pentanet.ptq.config import CALIBRATED, QuantizeConfig
    from pentanet.ptq.run import quantize as run
    from pentanet.sources.open import open_source

    if threads:
        torch.set_num_threads(threads)
    grid = grid or ("pentanary" if method in CALIBRATED else "int8")
    if method == "rtn" and not (bits_budget or force) and find_grid(grid).size < _ROUNDED_WELL:
        raise ConfigError(
            f"--grid {grid} by rounding alone makes noise of a pretrained model. Give it a text: --method gptq (or "
            "refine) --calibration TEXT; or take --grid int4 or int8; or say --force"
        )
    config = QuantizeConfig(
        method=method,
        grid=grid,
        bits_budget=bits_budget,
        group=group,
        planes=planes,
        tied=tied,
        damping=damping,
        act_order=act_order,
        embedding=embedding,
        rotate=rotate,
        samples=samples,
        window=window,
    )
    source = open_source(model, allow_pickle=allow_pickle)
    seen = read_windows(source, calibration, window, samples) if calibration and method in CALIBRATED else None
    measure = _Measure(text, source, context, limit)
    waiting = out.resolve().with_name(f"{out.resolve().name}.unfinished")
    with console.stages() as tell, _at_ctrl_c(f"the same command goes on with what waits in {waiting}"):
        made = run(
            source, out, config, calibration=seen, overwrite=overwrite, workers=workers or usable_cores(), progress=tell
        ).to_dict()
    with _at_ctrl_c(f"{out} is whole; `pentanet eval` measures it"):
        result = {**made, **measure.both(source, out)}
    warnings = measure.warnings(result)
    if json:
        console.print_json({**result, "warnings": warnings})
    else:
        console.print_facts({key: value for key, value in result.items() if key != "layers"})
        console.print_worst(made["layers"])
    for warning in warnings:
        console.err.print(f"WARNING: {warning}", style="bold red", soft_wrap=True)


@contextmanager
def _at_ctrl_c(what: str) -> Generator[None]:
    """Say what is there when somebody stops the work."""
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"stopped; {what}") from None


class _Measure:
    """The perplexity of a model before and after."""

    def __init__(self, text: Path | None, source: Any, context: int, limit: int) -> None:
        from pentanet.evaluation.sliding import read_text

        self._text, self._context = None, min(context or source.config.context, source.config.context)
        if text is not None:
            self._text = read_text(text, source.tokenizer(), limit=limit)

    def both(self, source: Any, out: Path) -> dict[str, float | None]:
        """Of the source, and of what was made of it; None without a text."""
        from pentanet.cli import console
        from pentanet.runtime.load import load
        from pentanet.sources.float_network import load_float

        if self._text is None:
            return {"perplexity_before": None, "perplexity_after": None}
        found: dict[str, float | None] = {}
        for title, key, open_network in (
            ("before", "perplexity_before", lambda: load_float(source)),
            ("after", "perplexity_after", lambda: load(out, verify=False).network),
        ):
            measured = console.measure_text(open_network(), self._text, title, self._context, 0, "auto")
            found[key] = measured.perplexity
        return found

    def warnings(self, result: dict[str, Any]) -> list[str]:
        """What a user must know before trusting the model."""
        from pentanet.ptq.verdict import warnings

        return warnings(result["perplexity_before"], result["perplexity_after"], result["weight_error"])
