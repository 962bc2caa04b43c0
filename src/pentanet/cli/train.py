"""pentanet train."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pentanet.cli.options import Count, Flag, Seed, Settings, TorchThreads

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
        Train nothing; print parameters, tokens, the size of the packed file and an estimate of the memory.
    json
        Print the result as JSON.
    """
    from pentanet.cli import console
    from pentanet.training.presets import load_config, short_overrides

    short = short_overrides(
        method=method, source=data, steps=steps or 0, seed=-1 if seed is None else seed, init=str(init or "")
    )
    config = load_config(preset, short + (settings or []))
    if dry_run:
        from pentanet.training.plan import plan

        result: dict[str, Any] = plan(config).to_dict()
    else:
        import torch

        from pentanet.machine import keep_freed_memory
        from pentanet.training.metrics import tensorboard as events
        from pentanet.training.run import train as run

        keep_freed_memory()
        if threads:
            torch.set_num_threads(threads)
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
            result = run(config, folder, tokens, extend=True, progress=tell, warn=warn, mirror=mirror)
        result = {"run": str(folder), **result}
    if json:
        console.print_json(result)
        return
    console.print_facts({key: value for key, value in result.items() if key not in DETAILS})
    if not dry_run:
        console.out.print(f"\nPack it: pentanet pack {result['run']}", soft_wrap=True)
