"""A packed model as lm-evaluation-harness wants one (extra `eval`).

from lm_eval import simple_evaluate
from pentanet.integrations.harness import language_model

simple_evaluate(model=language_model(Path("model")), tasks=["arc_easy"])
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pentanet.data.tokenizer import eos_id, template_start
from pentanet.errors import DataError, MissingExtraError
from pentanet.evaluation.choices import log_likelihood
from pentanet.evaluation.start import room
from pentanet.runtime.engine import Engine
from pentanet.runtime.engine_network import as_runtime
from pentanet.runtime.predictor import Choice
from pentanet.runtime.sampling import Sampling
from pentanet.sources.running import generate, open_any

TOKENS = 256  # that a task may have written unless it says otherwise


def language_model(path: str | Path, *, engine: Choice = "torch", threads: int = 0, bos: bool = True) -> Any:
    """Open a model directory as an `lm_eval.api.model.TemplateLM`.

    Args:
        path: a model directory; or an original, to compare with.
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
    predictor = open_any(path, engine, threads)
    runtime = as_runtime(predictor) if isinstance(predictor, Engine) else predictor
    start = template_start(runtime.tokenizer) if bos else ()
    end = eos_id(runtime.tokenizer)
    if end is None:
        raise DataError(f"{path}/tokenizer.json: has no token that ends a text, which tasks without a context need")

    class PackedLM(base):
        """Scores one request at a time: results do not depend on a batch."""

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


def _written(predictor: Any, context: str, settings: dict[str, Any]) -> str:
    """What a model writes after a context, up to the first of the texts that end it."""
    until: Any = settings.get("until") or []
    stops: list[str] = [until] if isinstance(until, str) else list(until)
    temperature = float(settings.get("temperature") or 0.0) if settings.get("do_sample") else 0.0
    sampling = Sampling(temperature=temperature, top_k=0)
    length = int(settings.get("max_gen_toks", TOKENS))
    return "".join(generate(predictor, context, length, sampling, stops=[stop for stop in stops if stop]))
