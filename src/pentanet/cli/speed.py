"""pentanet speed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from pentanet.cli.options import Count, Flag


def speed(
    *,
    threads: Annotated[list[Count] | None, Parameter(negative=(), consume_multiple=True)] = None,
    layouts: Annotated[list[str] | None, Parameter(negative=(), consume_multiple=True)] = None,
    model: str = "llama-778m",
    cache: Literal["float32", "float16", "bfloat16", "int8"] = "float32",
    activations: Literal["int8", "int8x2", "adaptive"] = "int8",
    against: Literal["llama.cpp"] | None = None,
    quick: Flag = False,
    out: Path | None = None,
    json: Flag = False,
) -> None:
    """Measure kernels and a whole model beside what this machine can do at most.

    Parameters
    ----------
    threads
        Thread counts to measure, separated by spaces; 1 and one for each core by default.
    layouts
        Layouts to measure, separated by spaces; all by default.
    model
        Shape of the synthetic model: llama-778m, smollm2-135m, or none.
    cache
        How the model stores keys and values.
    activations
        How the model rounds the inputs of its linears: int8, int8x2 (what that missed once more), adaptive.
    against
        Measure stock llama.cpp in turn with the model; needs the packages llama-cpp-python and gguf.
    quick
        Tiny shapes, in a few seconds: shows that it works, not how fast it is.
    out
        Directory for speed.json and roofline.svg.
    json
        Print the summary as JSON.
    """
    from pentanet.cli import console
    from pentanet.report.speed import save
    from pentanet.speed import Progress, speed_settings
    from pentanet.speed import speed as measure

    settings = speed_settings(
        threads=threads or (),
        layouts=layouts or (),
        model=model,
        cache=cache,
        activations=activations,
        against=against is not None,
        quick=quick,
    )
    with console.bars(transient=True) as bars:
        bar = bars.add_task("speed", total=None, note="")

        def tell(progress: Progress) -> None:
            bars.update(bar, completed=progress.step, total=progress.steps, note=progress.note)

        summary = measure(settings, tell)
    if out is not None:
        save(summary, out)
    if json:
        console.print_json(summary)
    else:
        console.show_speed(summary)
