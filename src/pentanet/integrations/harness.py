"""A packed model as lm-evaluation-harness wants one (extra `eval`).

from lm_eval import simple_evaluate
from pentanet.integrations.harness import language_model

simple_evaluate(model=language_model("model"), tasks=["arc_easy"])

`evaluate_tasks` is the same with the results in short, and with errors by name.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pentanet.data.tokenizer import eos_id, template_start
from pentanet.errors import DataError, MissingExtraError, MissingFileError, PentaNetError, UnknownNameError, shown
from pentanet.evaluation.choices import log_likelihood
from pentanet.evaluation.start import room
from pentanet.runtime.engine import Engine
from pentanet.runtime.engine_network import as_runtime
from pentanet.runtime.load import Runtime
from pentanet.runtime.predictor import Choice
from pentanet.runtime.sampling import Sampling
from pentanet.sources.running import generate, open_any

TOKENS = 256  # that a task may have written unless it says otherwise


def language_model(
    model: str | Path | Engine | Runtime, *, engine: Choice = "torch", threads: int = 0, bos: bool = True
) -> Any:
    """A model as an `lm_eval.api.model.TemplateLM`.

    Args:
        model: a model directory, or an original to compare with; or one that is open.
        engine: "torch", exact; "native", activations rounded to int8; "auto".
        threads: of the native engine; 0 for one on each core.
        bos: begin each text as the tokenizer's template says, like `add_bos_token` of the harness's own models.

    Raises:
        MissingExtraError: lm-eval is not installed.
        DataError: the tokenizer has no token that ends a text.
        EngineError, FormatError: as `pentanet.sources.running.open_any`.
    """
    try:
        base: Any = importlib.import_module("lm_eval.api.model").TemplateLM
        windows: Any = importlib.import_module("lm_eval.utils")
    except ModuleNotFoundError:
        raise MissingExtraError("lm-eval", "eval", "lm-evaluation-harness") from None
    predictor = open_any(model, engine, threads) if isinstance(model, str | Path) else model
    runtime = as_runtime(predictor) if isinstance(predictor, Engine) else predictor
    start = template_start(runtime.tokenizer) if bos else ()
    end = eos_id(runtime.tokenizer)
    if end is None:
        raise DataError(
            f"{runtime.path}: the tokenizer has no token that ends a text, which tasks without a context need"
        )

    ids = start

    class PackedLM(base):
        """Scores one request at a time: results do not depend on a batch."""

        start = ids

        eot_token_id = end
        prefix_token_id = start[-1] if start else end  # what the harness gives for an empty context

        def tok_encode(self, string: str, add_special_tokens: bool | None = None, **ignored: Any) -> list[int]:
            del add_special_tokens, ignored
            return runtime.tokenizer.encode(string, add_special_tokens=False).ids

        def _loglikelihood_tokens(
            self, requests: Iterable[tuple[Any, list[int], list[int]]], **ignored: Any
        ) -> list[tuple[float, bool]]:
            del ignored
            return [self._scored(before, after) for _, before, after in requests]

        def _scored(self, before: Sequence[int], after: Sequence[int]) -> tuple[float, bool]:
            before = () if start and list(before) == [self.prefix_token_id] else before
            return log_likelihood(runtime, before, after, start=start)

        def loglikelihood_rolling(self, requests: Sequence[Any], disable_tqdm: bool = False) -> list[float]:
            del disable_tqdm
            return [self._rolling(request.args[0]) for request in requests]

        def _rolling(self, text: str) -> float:
            found = windows.get_rolling_token_windows(
                token_list=self.tok_encode(text),
                prefix_token=self.prefix_token_id,
                max_seq_len=room(runtime.context, start),
                context_len=1,
            )
            pairs = map(windows.make_disjoint_window, found)
            return sum(self._scored(before, after)[0] for before, after in pairs)

        def generate_until(self, requests: Sequence[Any], disable_tqdm: bool = False) -> list[str]:
            del disable_tqdm
            return [_written(predictor, *request.args) for request in requests]

    return PackedLM()


def evaluate_tasks(
    model: str | Path | Engine | Runtime,
    tasks: Sequence[str],
    *,
    folder: str | Path | None = None,
    few_shot: int | None = None,
    limit: int = 0,
    engine: Choice = "torch",
    threads: int = 0,
    bos: bool = True,
) -> dict[str, Any]:
    """Run tasks of lm-evaluation-harness, whose data come from the hub's cache, from the hub, or from local files.

    Args:
        model: see `language_model`.
        tasks: names of tasks or groups of the harness, or of `folder`.
        folder: task files (.yaml) of one's own; they can name local data, and run code of their folder.
        few_shot: solved examples in front of each question; None for what the task says.
        limit: only so many questions of each task; 0 for all.
        engine: see `language_model`.
        threads: of the native engine; 0 for one on each core.
        bos: see `language_model`.

    Returns:
        `tasks`: for each task its metrics, their standard errors, `version` and `questions`; `few_shot`, `limit`, and
        the ids that each text begins with (`start`).

    Raises:
        MissingExtraError, EngineError, FormatError: as `language_model`.
        UnknownNameError: no such task; names the nearest one.
        DataError: the harness cannot load or score a task: the data are not here and cannot be fetched, say.
    """
    made = language_model(model, engine=engine, threads=threads, bos=bos)
    found = _evaluate(made, tasks, folder, few_shot, limit)
    return {
        "tasks": {name: _metrics(name, found) for name in found["results"]},
        "few_shot": few_shot,
        "limit": limit,
        "start": made.start,
    }


def _evaluate(made: Any, tasks: Sequence[str], folder: str | Path | None, few_shot: int | None, limit: int) -> Any:
    harness: Any = importlib.import_module("lm_eval")
    manager = _manager(tasks, folder)
    try:
        return harness.simple_evaluate(
            model=made, tasks=list(tasks), task_manager=manager, num_fewshot=few_shot, limit=limit or None
        )
    except PentaNetError:
        raise
    except Exception as error:  # whatever a task, its data or the network make of it
        said = shown(f"{type(error).__name__}: {error}")
        raise DataError(
            f"lm-evaluation-harness cannot run {', '.join(tasks)}: {said}. It fetches what a task names from the hub, "
            "or takes it from the hub's cache; --tasks-from names task files with data of your own."
        ) from error


def _manager(tasks: Sequence[str], folder: str | Path | None) -> Any:
    """The task files; the thousands of the harness are read only where the folder has not all that are wanted."""
    make: Any = importlib.import_module("lm_eval.tasks").TaskManager
    if folder is not None:
        if not Path(folder).is_dir():
            raise MissingFileError(folder, "--tasks-from is a folder of task files (.yaml).")
        manager = make(include_path=str(folder), include_defaults=False)
        if set(tasks) <= set(manager.all_tasks):
            return manager
    manager = make(include_path=None if folder is None else str(folder))
    for name in tasks:
        if name not in manager.all_tasks:
            raise UnknownNameError("task", name, manager.all_tasks)
    return manager


def _metrics(name: str, found: Any) -> dict[str, Any]:
    """What the harness says of a task, its filter in a name only where there is one."""
    values = {key.removesuffix(",none"): value for key, value in found["results"][name].items() if key != "alias"}
    counted = found.get("n-samples", {}).get(name, {}).get("effective")
    more = {"version": found.get("versions", {}).get(name), "questions": counted}
    return {**{k: v for k, v in values.items() if v != "N/A"}, **{k: v for k, v in more.items() if v is not None}}


def _written(predictor: Any, context: str, settings: dict[str, Any]) -> str:
    """What a model writes after a context, up to the first of the texts that end it."""
    until: Any = settings.get("until") or []
    stops: list[str] = [until] if isinstance(until, str) else list(until)
    temperature = float(settings.get("temperature") or 0.0) if settings.get("do_sample") else 0.0
    sampling = Sampling(temperature=temperature, top_k=0)
    length = int(settings.get("max_gen_toks", TOKENS))
    return "".join(generate(predictor, context, length, sampling, stops=[stop for stop in stops if stop]))
