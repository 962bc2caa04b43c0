"""pentanet eval."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pentanet.cli.options import Flag, Threads


def evaluate(
    model: Path,
    *,
    data: str = "",
    split: Literal["train", "valid", "test"] = "valid",
    eos: Literal["line", "document", "none", ""] = "",
    precision: Literal["auto", "bfloat16", "float32"] = "auto",
    engine: Literal["torch", "native"] = "torch",
    threads: Threads = 0,
    json: Flag = False,
) -> None:
    """Measure loss, perplexity and bits per byte on every token of a split.

    Parameters
    ----------
    model
        Model directory of `pentanet pack`.
    data
        Corpus, text file or folder, or a dataset prepared with the model's tokenizer; by default what the model was
        trained on.
    split
        Part of the text.
    eos
        Where end-of-text tokens go; as in training by default.
    precision
        Of the matrix products; auto as in training.
    engine
        torch: what training measured; native: compiled, activations rounded to int8.
    threads
        Of the native engine; 0 for one on each core.
    json
        Print the result as JSON.
    """
    from pentanet.cli import console
    from pentanet.evaluate.perplexity import evaluate as measure
    from pentanet.evaluate.perplexity import text_of
    from pentanet.runtime.engine import Engine
    from pentanet.runtime.load import load

    runtime = Engine.open(model, threads=threads).runtime() if engine == "native" else load(model)
    source, mode, products = text_of(runtime, data, eos, precision)
    dataset = console.dataset(source, str(model / "tokenizer.json"), mode)
    with console.bars() as bars:
        task = bars.add_task(split, total=dataset.tokens(split) - 1, note="")
        found = measure(runtime, dataset, split, precision=products, progress=lambda n: bars.update(task, completed=n))
    if json:
        console.print_json({"model": str(model), "engine": engine, **found.to_dict()})
    else:
        console.print_facts(found.to_dict())
