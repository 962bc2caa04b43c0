"""Distil the original model into its quantized copy on a little text.

The levels stay levels: each forward pass rounds latent weights, and the gradient passes through (LSQ, 1902.08153, for
the scales too).  The loss is the cross-entropy between the predictions of the original and of the quantized model
(knowledge distillation, 1503.02531, at temperature 1).  Embedding and head stay as they are; the norms learn.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from pentanet import __version__
from pentanet.data.texts import whole_text
from pentanet.errors import ConfigError, NonFiniteLossError, TextTooShortError
from pentanet.finetuning.config import FinetuneConfig
from pentanet.finetuning.student import new_student, write_student
from pentanet.finetuning.tuning import Tuning
from pentanet.format.model_dir import check_target, open_model
from pentanet.format.packed_model import CONFIG, TENSORS
from pentanet.nn.precision import Precision
from pentanet.ptq.unfinished import unfinished
from pentanet.sources.float_network import load_float
from pentanet.sources.open import open_source
from pentanet.sources.source import Source
from pentanet.training.lock import lock
from pentanet.training.run import Interrupted
from pentanet.training.signals import stop_request

Progress = Callable[[int, float, float], None]  # steps done, share of the work that is done, loss


def finetune(
    model: str | Path,
    source: Source | str | Path,
    text: list[int] | str | Path,
    out: str | Path,
    config: FinetuneConfig,
    *,
    precision: Precision = "float32",
    overwrite: bool = False,
    progress: Progress = lambda step, share, loss: None,
    warn: Callable[[str], None] = lambda text: print(text, file=sys.stderr),
) -> dict[str, Any]:
    """Finetune a model directory of `quantize` and write another one, stored in the same way.

    A run that was stopped goes on where it was, and gives the same file as one that was not: its state waits in
    `OUT.unfinished`.

    Args:
        model: the quantized model.
        source: its original, open or as a path for `open_source`.
        text: what it learns from: a text file, or its tokens; at least one window.
        out: the directory to make.
        config: how long, and how fast.
        precision: of the matrix products.
        overwrite: replace a model directory that is there.
        progress: told after each step.
        warn: told about a damaged checkpoint.

    Returns:
        Settings, steps, first and last loss (means of a tenth of the steps), seconds of work.

    Raises:
        ShapeError: the original is of another model.
        ConfigError: a model with no training here, see `new_student`; a window that the model does not hold.
        TextTooShortError: the text is shorter than one window.
        NonFiniteLossError: the training went off; a lower rate helps.
        WriteError: `out` is in use or holds the original, an unfinished run with other settings is there, or the disk
            is full.
        CheckpointError: another process works there, or its only checkpoint is damaged.
        Interrupted: SIGTERM or Ctrl-C; the state is saved.
    """
    model, out = Path(model), Path(out).resolve()
    source = source if isinstance(source, Source) else open_source(source)
    ids = (
        text
        if isinstance(text, list)
        else source.tokenizer().encode(whole_text(Path(text)), add_special_tokens=False).ids
    )
    if config.window > source.config.context:
        raise ConfigError(f"--window {config.window}: the model reads at most {source.config.context} tokens")
    if len(ids) <= config.window:
        raise TextTooShortError(f"{len(ids)} tokens of text: at least {config.window + 1} are needed for one window")
    check_target(out, overwrite, original=source.path)
    packed, tokens = open_model(model), np.asarray(ids, np.int64)
    student = new_student(packed, source)
    run = {"source": source.fingerprint(), "model": _digest(model), "version": __version__, "precision": precision}
    digest = hashlib.sha256(tokens.tobytes()).hexdigest()
    folder = unfinished(out, {"finetune": asdict(config), **run, "text": digest})
    teacher = load_float(source)
    with lock(folder / "lock"), stop_request() as stop:
        tuning = Tuning(student, teacher, tokens, config, precision, folder / "checkpoints", warn)
        try:
            finished = tuning.learn(stop, lambda loss: progress(tuning.state.step, tuning.share, loss))
        except NonFiniteLossError:
            shutil.rmtree(folder, ignore_errors=True)  # the same settings would end here again
            raise
        if not finished:
            tuning.save()
            assert stop.signal is not None
            raise Interrupted(stop.signal, tuning.state.step, config.steps)
        write_student(student, packed, out, overwrite)
    shutil.rmtree(folder, ignore_errors=True)
    part = max(1, len(tuning.losses) // 10)
    return {
        **asdict(config),
        "out": str(out),
        "steps": tuning.state.step,
        "tokens": tuning.state.step * config.batch * config.window,
        "first_loss": sum(tuning.losses[:part]) / part,
        "last_loss": sum(tuning.losses[-part:]) / part,
        "precision": precision,
        "seconds": round(tuning.seconds, 3),
    }


def _digest(model: Path) -> str:
    """sha256 over what a model directory computes with."""
    found = hashlib.sha256()
    for name in (CONFIG, TENSORS):
        with (model / name).open("rb") as file:
            while block := file.read(1 << 20):
                found.update(block)
    return found.hexdigest()
