"""What a training run meets: how often it reads its text, how long it takes on this machine, and what looks wrong."""

from __future__ import annotations

import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from pentanet.data import corpora
from pentanet.data.cache import prepared
from pentanet.machine import machine
from pentanet.nn.precision import autocast, resolve_precision
from pentanet.training.config import TrainConfig
from pentanet.training.loop import new_network, resolve_device
from pentanet.training.loss import token_losses
from pentanet.training.optimizers import Optimizer
from pentanet.training.plan import Plan

BYTES_PER_TOKEN = 4.0
"""Of English text, about, where no tokens have been counted."""
ROUNDS = 5
MEASURED = 5e10
"""Operations that the measured part of a step takes at most, each time: a second or two on a small machine."""
MANY_EPOCHS = 20
LONG = 30 * 86400  # seconds


@dataclass(frozen=True, kw_only=True, slots=True)
class Outlook:
    """What a run meets.

    Attributes:
        text_tokens: of the training text; None where it is not on this machine.
        text_counted: they were counted; else they are estimated from the size of the files.
        epochs: how often the run reads them.
        seconds: of training here, from a short measured step and without validations; None where a step is too large to
            try.
        warnings: what looks absurd.
    """

    text_tokens: int | None
    text_counted: bool
    epochs: float | None
    seconds: float | None
    warnings: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON can hold them."""
        return asdict(self)


def outlook(config: TrainConfig, planned: Plan) -> Outlook:
    """Look at the text and try a step.

    Raises:
        MissingFileError, DataError: the text is not there, or a folder without texts.
        ConfigError: a device that is not there.
    """
    tokens, counted = text_tokens(config)
    epochs = planned.tokens / tokens if tokens else None
    seconds = training_seconds(config, planned)
    return Outlook(
        text_tokens=tokens,
        text_counted=counted,
        epochs=epochs,
        seconds=seconds,
        warnings=tuple(_warnings(planned, epochs, seconds)),
    )


def text_tokens(config: TrainConfig) -> tuple[int | None, bool]:
    """Tokens of the training text, and whether they were counted.  Raises as `outlook`."""
    data = config.data
    if (dataset := prepared(data.source, data.tokenizer, data.eos)) is not None:
        return dataset.tokens("train"), True
    if data.source in corpora.NAMES and data.source != "bible":
        return None, False  # would have to be downloaded first
    corpus = corpora.load(data.source)
    if data.source == "bible":
        size = sum(len(line.encode()) for line in corpus.splits["train"])
    else:
        path = Path(data.source)
        size = sum(file.stat().st_size for file in ([path] if path.is_file() else path.iterdir()) if file.is_file())
    return max(1, round(size / BYTES_PER_TOKEN)), False


def training_seconds(config: TrainConfig, planned: Plan) -> float | None:
    """Seconds of all steps, from as many windows of one as `MEASURED` allows; None if that is not even one."""
    model, size = config.model, config.batch.size
    windows = min(size, int(MEASURED / (6 * planned.parameters * model.context)))
    if windows < 1:
        return None
    device = resolve_device(config.device)
    precision = resolve_precision(config.precision, device)
    network = new_network(config, planned.vocab, device).train()
    optimizer = Optimizer(network, config.optimizer, config.schedule, config.steps)
    ids = torch.randint(planned.vocab, (windows, model.context), generator=torch.Generator().manual_seed(0)).to(device)
    passes, update = math.inf, math.inf
    for _ in range(ROUNDS):  # the first one warms up, and others may meet other work on this machine
        started = time.monotonic()
        with autocast(device, precision):
            loss = token_losses(network, ids, ids).mean()
        loss.backward()
        _ = loss.item()  # waits for a GPU
        between = time.monotonic()
        optimizer.step(0)
        network.zero_grad()
        passes, update = min(passes, between - started), min(update, time.monotonic() - between)
    return config.steps * (passes * size / windows + update)


def _warnings(planned: Plan, epochs: float | None, seconds: float | None) -> list[str]:
    found: list[str] = []
    memory = machine().memory_bytes
    if memory and planned.memory_bytes > memory:
        found.append(
            f"it needs about {planned.memory_bytes / 1e9:,.0f} GB of memory, and this machine has "
            f"{memory / 1e9:,.0f} GB: lower batch.size or model.context"
        )
    if epochs is not None and epochs > MANY_EPOCHS:
        found.append(f"it reads its text {epochs:,.0f} times: take a longer text, or fewer steps")
    if seconds is not None and seconds > LONG:
        found.append(f"it would take about {seconds / 86400:,.0f} days on this machine")
    return found
