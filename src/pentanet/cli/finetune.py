"""pentanet finetune."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pentanet.cli.options import Count, Flag, Seed, TorchThreads


def finetune(
    model: Path,
    *,
    original: Path,
    data: Path,
    out: Path,
    steps: Count = 200,
    minutes: float = 0.0,
    batch: Count = 8,
    window: Count = 512,
    lr: float = 3e-3,
    weight_lr: float = 5e-3,
    seed: Seed = 0,
    precision: Literal["auto", "bfloat16", "float32"] = "auto",
    threads: TorchThreads | None = None,
    allow_pickle: Flag = False,
    overwrite: Flag = False,
    json: Flag = False,
) -> None:
    """Train a quantized model on a little text, so that it predicts what its original predicts; a stopped run goes on.

    Parameters
    ----------
    model
        Model directory of `pentanet quantize` or `pentanet import`.
    original
        What it was made of: Hugging Face model directory, or a .gguf file.
    data
        Text file to learn from; what the original predicts on it is what is learned.
    out
        Model directory to write.
    steps
        Optimizer steps.
    minutes
        Stop after so many minutes, with the schedule ending there; such a run does not repeat exactly.
    batch
        Windows in a step.
    window
        Tokens in a window.
    lr
        Peak rate of AdamW for norms, biases and the logarithms of scales.
    weight_lr
        Peak rate for the weights, which count in steps from level to level; 0 to leave levels as they are.
    seed
        Of the windows that are drawn.
    precision
        Of the matrix products; auto takes bfloat16 where the processor multiplies in it.
    threads
        For torch; all cores by default.
    allow_pickle
        Read pytorch_model.bin, if the original has no safetensors.
    overwrite
        Replace a model directory that is there.
    json
        Print the result as JSON.
    """
    import torch

    from pentanet.cli import console
    from pentanet.data.texts import whole_text
    from pentanet.finetuning.config import FinetuneConfig
    from pentanet.finetuning.run import finetune as run
    from pentanet.nn.precision import resolve_precision
    from pentanet.sources.open import open_source

    if threads:
        torch.set_num_threads(threads)
    config = FinetuneConfig(
        steps=steps, minutes=minutes, batch=batch, window=window, lr=lr, weight_lr=weight_lr, seed=seed
    )
    source = open_source(original, allow_pickle=allow_pickle)
    ids = source.tokenizer().encode(whole_text(data), add_special_tokens=False).ids
    with console.bar("finetune", 1.0, percent=True) as bar:

        def tell(step: int, share: float, loss: float) -> None:
            bar(share, f"step {step}, loss {loss:.3f}")

        def warn(text: str) -> None:
            console.err.print(text, style="yellow")

        result = run(
            model,
            source,
            ids,
            out,
            config,
            precision=resolve_precision(precision),
            overwrite=overwrite,
            progress=tell,
            warn=warn,
        )
    if json:
        console.print_json(result)
    else:
        console.print_facts(result)
