"""pentanet eval."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from pentanet.cli.options import Flag, Size, Threads

if TYPE_CHECKING:
    from pentanet.runtime.engine import Engine
    from pentanet.runtime.load import Runtime


def evaluate(
    model: Path,
    *,
    text: str = "",
    split: Literal["train", "valid", "test"] = "valid",
    eos: Literal["line", "document", "none"] | None = None,
    stride: Size = 0,
    context: Size = 0,
    limit: Size = 0,
    bos: bool = True,
    choices: Path | None = None,
    tasks: Annotated[list[str] | None, Parameter(negative=(), consume_multiple=True)] = None,
    tasks_from: Path | None = None,
    few_shot: Size | None = None,
    precision: Literal["auto", "bfloat16", "float32"] = "auto",
    engine: Literal["torch", "native"] = "torch",
    threads: Threads = 0,
    cache: Literal["float32", "float16", "bfloat16", "int8"] = "float32",
    activations: Literal["auto", "int8", "int8x2", "adaptive"] = "auto",
    allow_pickle: Flag = False,
    json: Flag = False,
) -> None:
    """Measure loss, perplexity and bits per byte on a text, or the share of right answers to questions.

    Parameters
    ----------
    model
        Model directory of `pentanet pack`, `quantize`, `finetune` or `import`; or an original: a Hugging Face model
        directory or a .gguf file, which is measured in torch with all its weights in float32.
    text
        What is measured: a corpus, text file or folder, or a dataset prepared with the model's tokenizer; by default
        what the model was trained on. With --stride, a text file.
    split
        Part of the text.
    eos
        Where end-of-text tokens go; as in training by default.
    stride
        Measure the whole text file, as it stands, with a window that moves by so many tokens; as many as --context
        makes windows that stand side by side.
    context
        Longest window in tokens, with --stride; the model's by default.
    limit
        Measure the first so many tokens only, without --stride in whole batches of 4,096; of --tasks and --choices, ask
        the first so many questions.
    bos
        Begin each window, or question, with the token that the tokenizer's template puts before a text, if it has one.
    choices
        Ask the multiple-choice questions of this file instead: JSON lines with context, choices and answer.
    tasks
        Run these tasks of lm-evaluation-harness instead, separated by commas or spaces: arc_easy, hellaswag, ...
    tasks_from
        Folder of task files (.yaml) of one's own, which can name local data; they can run code.
    few_shot
        With --tasks: solved examples in front of each question; as the task says by default.
    precision
        Of torch's matrix products; auto as in training.
    engine
        torch: what training measured; native: compiled, activations rounded to int8.
    threads
        Of the native engine; 0 for one on each core.
    cache
        Of the native engine: how keys and values are stored.
    activations
        How the inputs of linears are rounded: int8, int8x2 (what that missed once more), adaptive (twice where once
        would be coarse); auto: torch as in training, native adaptive, or int8 where it was trained so.
    allow_pickle
        Read pytorch_model.bin, if an original has no safetensors.
    json
        Print the result as JSON.
    """
    from pentanet.cli import console
    from pentanet.evaluation.perplexity import evaluate as measure
    from pentanet.evaluation.perplexity import text_of, tokenizer_file
    from pentanet.runtime.engine import Engine
    from pentanet.runtime.engine_network import as_runtime
    from pentanet.sources.running import open_any

    opened = open_any(model, engine, threads, cache, activations, allow_pickle=allow_pickle)
    runtime = as_runtime(opened) if isinstance(opened, Engine) else opened
    if isinstance(opened, Engine):
        precision = "float32"  # of all but its products, which are of integers
    if tasks:
        found = _tasks(opened, tasks, tasks_from, few_shot, limit, bos)
    elif choices is not None:
        found = _choices(runtime, choices, limit, bos)
    elif stride:
        found = _whole_text(runtime, text, stride, context, limit, precision, bos)
    else:
        source, mode, products = text_of(runtime, text, eos or "", precision)
        dataset = console.dataset(source, str(tokenizer_file(runtime)), mode)
        with console.bars() as bars:
            total = dataset.tokens(split) - 1
            task = bars.add_task(split, total=min(limit or total, total), note="")
            made = measure(
                runtime,
                dataset,
                split,
                limit=limit,
                bos=bos,
                precision=products,
                progress=lambda n: bars.update(task, completed=n),
            )
        found = made.to_dict()
    if json:
        console.print_json({"model": str(model), "engine": engine, **found})
    elif tasks:
        for name, metrics in found["tasks"].items():
            console.out.print(name, style="bold")
            console.print_facts({f"  {key}": value for key, value in metrics.items()})
    else:
        console.print_facts(found)


def _whole_text(
    runtime: Runtime, file: str, stride: int, context: int, limit: int, precision: str, bos: bool
) -> dict[str, Any]:
    from pentanet.cli import console
    from pentanet.errors import ConfigError, DataError
    from pentanet.evaluation.sliding import read_text

    if not file:
        raise DataError("--stride measures a whole text file; name it with --text")
    context = context or runtime.context
    if context > runtime.context:
        raise ConfigError(f"--context {context}: the model reads at most {runtime.context} tokens")
    text = read_text(file, runtime.tokenizer, limit=limit, bos=bos)
    return console.measure_text(runtime.network, text, "eval", context, stride, precision).to_dict()


def _tasks(
    model: Engine | Runtime, tasks: list[str], folder: Path | None, few_shot: int | None, limit: int, bos: bool
) -> dict[str, Any]:
    from pentanet.integrations.harness import evaluate_tasks

    names = [name for item in tasks for name in item.split(",") if name]
    with contextlib.redirect_stdout(sys.stderr):  # what the harness says by the way
        return evaluate_tasks(model, names, folder=folder, few_shot=few_shot, limit=limit, bos=bos)


def _choices(runtime: Runtime, file: Path, limit: int, bos: bool) -> dict[str, Any]:
    from pentanet.cli import console
    from pentanet.evaluation.choices import evaluate_choices, read_questions

    questions = read_questions(file)
    questions = questions[:limit] if limit else questions
    with console.bars() as bars:
        task = bars.add_task("questions", total=len(questions), note="")
        made = evaluate_choices(runtime, questions, file.name, lambda done: bars.update(task, completed=done), bos=bos)
    return made.to_dict()
