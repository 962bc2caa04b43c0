"""One arm of a benchmark, from the first step to the text that the packed model writes.

Runs in a process of its own: it owns its threads, and takes nothing but paths and configurations.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from pentanet.format.layouts import layout
from pentanet.runtime.inspect import Inspection
from pentanet.training.config import TrainConfig

RESULT, MODEL = "result.json", "model"
PROMPT_TOKENS, SAMPLE_TOKENS = 16, 100

# Signals received.  A pool may already have handed this worker its next job, which must not start then.
_STOPPED: list[int] = []


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """What to run and where.

    Attributes:
        arm: name of the arm in its suite.
        config: the training run.
        dataset: directory of the prepared tokens.
        folder: run directory; the packed model goes to `model` in it.
        threads: for torch.
        after: name of the job that must have succeeded before; empty for none.
    """

    arm: str
    config: TrainConfig
    dataset: Path
    folder: Path
    threads: int
    after: str = ""

    @property
    def name(self) -> str:
        """`arm/seed-N`, also the folder's place in the bench."""
        return f"{self.arm}/seed-{self.config.seed}"


class Channel(Protocol):
    """Where progress goes: a queue to the parent process."""

    def put(self, item: tuple[str, int, int, float]) -> None: ...


def run_job(job: Job, channel: Channel) -> dict[str, Any]:
    """Train, pack, reload, measure, write; returns the row of the summary, or `{"error": ...}`.

    A job that is finished returns its row at once; an interrupted one continues from its last checkpoint.
    """
    import torch

    from pentanet.errors import PentaNetError
    from pentanet.machine import keep_freed_memory
    from pentanet.training.run import Interrupted

    keep_freed_memory()
    torch.set_num_threads(job.threads)
    if _STOPPED:
        return {"error": "stopped before it began", "signal": _STOPPED[0]}
    try:
        return finished(job) or _run(job, channel)
    except PentaNetError as error:  # errors with several arguments do not survive pickling
        return {"error": str(error)}
    except Interrupted as error:
        _STOPPED.append(error.signal)
        return {"error": str(error), "signal": error.signal}


def finished(job: Job) -> dict[str, Any] | None:
    """The row of a finished job, if it was made with the same configuration and data."""
    from pentanet.data.dataset import Dataset
    from pentanet.errors import PentaNetError
    from pentanet.training.run import read_config, read_data

    try:
        row = json.loads((job.folder / RESULT).read_text(encoding="utf-8"))
        same = read_config(job.folder) == job.config
        return row if same and read_data(job.folder)["fingerprint"] == Dataset.open(job.dataset).fingerprint else None
    except (OSError, ValueError, PentaNetError):
        return None


def _run(job: Job, channel: Channel) -> dict[str, Any]:
    from pentanet.atomic import write_file
    from pentanet.data.dataset import Dataset
    from pentanet.evaluation.perplexity import evaluate
    from pentanet.runtime.load import load
    from pentanet.training.pack import pack
    from pentanet.training.run import train

    dataset = Dataset.open(job.dataset)
    record = train(job.config, job.folder, dataset, progress=_teller(job, channel), warn=lambda _: None)
    packed = pack(job.folder, job.folder / MODEL, overwrite=True)
    runtime = load(job.folder / MODEL)
    measured = evaluate(runtime, dataset, limit=job.config.result_tokens, precision=record["precision"])
    row = {
        **{key: record[key] for key in ("val_loss", "perplexity", "bits_per_byte")},
        **{key: record[key] for key in ("zero_fraction", "occupancy", "flip_rate", "moved", "kurtosis", "seconds")},
        "file_bits_per_weight": packed.file_bits_per_weight,
        "quantized_bits_per_weight": packed.quantized_bits_per_weight,
        "bytes": packed.bytes,
        **coded_size(packed),
        "packed_val_loss": measured.loss,
        "packed_gap": measured.loss - record["val_loss"],
        "parameters": record["parameters"],
        "quantized_parameters": packed.quantized_parameters,
        "sample": _sample(runtime, dataset),
    }
    write_file(job.folder / RESULT, (json.dumps(row, indent=1) + "\n").encode())
    return row


def coded_size(packed: Inspection) -> dict[str, float | int | None]:
    """Entropy of the levels in bits per weight, and what the file would take if their codes were that long.

    A layout that is shorter than the entropy of the levels alone (sparse ternary: its zeros have fixed places) counts
    as it is.  No coder is written: these are the sizes that an ideal one would reach, scales and all else included.
    """
    coded = [
        (row.parameters, layout(row.storage).bits_per_weight, row.entropy)
        for row in packed.rows
        if row.grid not in (None, "int8") and row.entropy is not None
    ]
    if not coded:
        return {"entropy_bits": None, "coded_bytes": packed.bytes}
    total = sum(size for size, _, _ in coded)
    used = math.fsum(size * min(stored, entropy) for size, stored, entropy in coded)
    saved = math.fsum(size * stored for size, stored, _ in coded) - used
    return {"entropy_bits": used / total, "coded_bytes": round(packed.bytes - saved / 8)}


def _teller(job: Job, channel: Channel) -> Callable[[Any], None]:
    """Progress to the parent, a few times a second."""
    last = 0.0

    def tell(progress: Any) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last > 0.2 or progress.step == progress.steps:
            last = now
            channel.put((job.name, progress.step, progress.steps, progress.loss))

    return tell


def _sample(runtime: Any, dataset: Any) -> str:
    """What the packed model makes of the first words of the validation text: the same prompt for every method."""
    from pentanet.runtime.sampling import Sampling
    from pentanet.sources.running import generate

    start = dataset.split("valid").tokens[:PROMPT_TOKENS]
    prompt = dataset.tokenizer.decode([int(i) for i in start])
    return prompt + "".join(generate(runtime, prompt, SAMPLE_TOKENS, Sampling(seed=0)))


def ignore_interrupt() -> None:
    """Workers leave Ctrl-C to their parent, which asks each to stop; a worker whose parent died stops too."""
    import signal
    import threading

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()
