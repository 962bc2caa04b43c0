"""pentanet train."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pentanet.cli.options import Count, Flag, Seed, Settings, TorchThreads

if TYPE_CHECKING:
    from pentanet.training.config import TrainConfig

DETAILS = (
    "version",
    "data",
    "machine",
    "checkpoint",
    "checkpoint_dir",
    "device",
    "threads",
)  # of the record; in --json


def train(
    preset: str = "nano",
    *,
    out: Path | None = None,
    method: str = "",
    data: str = "",
    steps: Count | None = None,
    init: Path | None = None,
    seed: Seed | None = None,
    settings: Settings | None = None,
    threads: TorchThreads | None = None,
    tensorboard: Flag = False,
    dry_run: Flag = False,
    json: Flag = False,
) -> None:
    """Train a model, or continue the run in OUT where it stopped; --steps may be more than it had.

    Parameters
    ----------
    preset
        One of `pentanet presets`, for example nano, or the path of a .toml file.
    out
        Run directory; runs/PRESET-METHOD-SEED by default.
    method
        One of `pentanet methods`, instead of the preset's.
    data
        bible, wikitext-2, wikitext-103, a text file or folder, or a prepared dataset directory.
    steps
        Optimizer steps, instead of the preset's. A finished run goes on where there are more of them than it made; the
        learning rate is then that of a run of so many steps, and rises again if it had fallen.
    init
        Run directory or packed model whose weights are the first ones, instead of drawing them.
    seed
        Of the initial weights and the batches, instead of the preset's.
    settings
        Any other setting as key=value, for example --set optimizer.lr=0.002; may be repeated.
    threads
        For torch; all cores by default.
    tensorboard
        Write the metrics for TensorBoard to OUT/tensorboard too.
    dry_run
        Train nothing; print parameters, tokens, how often the text is read, the size of the packed file, and estimates
        of memory and time.
    json
        Print the result as JSON.
    """
    import torch

    from pentanet.cli import console
    from pentanet.machine import keep_freed_memory
    from pentanet.training.metrics import tensorboard as events
    from pentanet.training.presets import load_config, short_overrides
    from pentanet.training.run import train as run

    short = short_overrides(
        method=method, source=data, steps=steps or 0, seed=-1 if seed is None else seed, init=str(init or "")
    )
    config = load_config(preset, short + (settings or []))
    if threads:
        torch.set_num_threads(threads)
    if dry_run:
        _plan(config, json)
        return
    keep_freed_memory()
    tokens = console.dataset(config.data.source, config.data.tokenizer, config.data.eos)
    name = Path(preset).stem if preset.endswith(".toml") else preset
    folder = out or Path("runs") / f"{name}-{config.weights.method}-{config.seed}"
    with console.bar(config.weights.method, config.steps) as bar:

        def tell(p: Any) -> None:
            val = "" if p.val_loss is None else f", validation {p.val_loss:.3f}"
            bar(p.step, f"loss {p.loss:.3f}{val}")

        def warn(text: str) -> None:
            console.err.print(text, style="yellow")

        mirror = events(folder / "tensorboard") if tensorboard else None
        made = run(config, folder, tokens, extend=True, progress=tell, warn=warn, mirror=mirror)
    result = {"run": str(folder), **made}
    if json:
        console.print_json(result)
        return
    console.print_facts({key: value for key, value in result.items() if key not in DETAILS})
    console.out.print(f"\nPack it: pentanet pack {result['run']}", soft_wrap=True)


def _plan(config: TrainConfig, json: bool) -> None:
    """Print what a run would be."""
    from pentanet.cli import console
    from pentanet.cli.units import count, duration, size
    from pentanet.training.outlook import outlook
    from pentanet.training.plan import plan

    planned = plan(config)
    found = outlook(config, planned)
    if json:
        console.print_json({**planned.to_dict(), **found.to_dict()})
        return
    shares = planned.occupancy or {}
    about = "" if found.text_counted else "about "
    facts = {
        "method": planned.method,
        "parameters": f"{count(planned.parameters)}, {count(planned.quantized_parameters)} of them by the method",
        "levels": "  ".join(f"{level}: {100 * share:.1f} %" for level, share in shares.items()),
        "vocabulary": f"{planned.vocab:,} tokens",
        "training": f"{planned.steps:,} steps, {count(planned.tokens)} tokens",
        "text": "unknown: not on this machine yet"
        if found.epochs is None
        else f"{about}{count(found.text_tokens or 0)} tokens, read {about}{found.epochs:.3g} times",
        "packed file": f"{size(planned.file_bytes)}, {planned.file_bits_per_weight:.3g} bits per weight",
        "memory": f"about {size(planned.memory_bytes)}",
        "time": "unknown: a step is too large to try"
        if found.seconds is None
        else f"about {duration(found.seconds)} on this machine, and validations on top",
    }
    console.print_facts(facts)
    for warning in found.warnings:
        console.err.print(f"WARNING: {warning}", style="bold red", soft_wrap=True)
