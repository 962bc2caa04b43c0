"""One training run in its directory: start, resume, record.

RUN/ holds config.toml, data.json, tokenizer.json, metrics.jsonl (the same bytes however often the run was interrupted),
timing.jsonl, checkpoints/ and, when the last step is done, record.json.  extended.json says how long it was before it
was given more steps.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import torch

from pentanet import __version__
from pentanet.atomic import write_file
from pentanet.config import from_tree, read_toml, to_toml
from pentanet.data.cache import open_or_prepare
from pentanet.data.dataset import TOKENIZER, Dataset
from pentanet.errors import CheckpointError, ConfigError, MissingFileError, RecordError, WriteError
from pentanet.machine import machine
from pentanet.nn import count_parameters
from pentanet.training import diagnostics
from pentanet.training.checkpoint import fingerprint
from pentanet.training.config import TrainConfig
from pentanet.training.lock import lock
from pentanet.training.loop import Loop, Progress, new_network
from pentanet.training.presets import load_config
from pentanet.training.signals import stop_request

CONFIG, DATA, RECORD, LOCK, EXTENDED = "config.toml", "data.json", "record.json", ".lock", "extended.json"


class Interrupted(KeyboardInterrupt):
    """The run was asked to stop, and saved.

    Attributes:
        signal: number of the signal.
    """

    def __init__(self, number: int, step: int, steps: int) -> None:
        super().__init__(f"stopped at step {step} of {steps}; the same command continues")
        self.signal = number


def train(
    config: TrainConfig | str,
    out: str | Path,
    dataset: Dataset | None = None,
    *,
    extend: bool = False,
    progress: Callable[[Progress], None] = lambda _: None,
    warn: Callable[[str], None] = lambda text: print(text, file=sys.stderr),
    mirror: Callable[[dict[str, Any]], None] | None = None,
) -> dict[str, Any]:
    """Train a model, or continue a run that was interrupted; a finished run returns its record at once.

    Args:
        config: what to train; or a preset, or the path of a .toml file.
        out: the run directory.
        dataset: tokens; the run belongs to them and refuses others. None prepares those that the configuration names.
        extend: let a run in `out` with fewer steps and otherwise the same settings go on to `config.steps`. From then
            on the schedule is that of a run of so many steps: a rate that had fallen rises again.
        progress: told after every step.
        warn: told about damaged checkpoints.
        mirror: told every row of metrics.jsonl; `pentanet.training.metrics.tensorboard` makes one.

    Returns:
        The run record, as in record.json.

    Raises:
        CheckpointError: `out` holds another run, or another process trains there.
        NonFiniteLossError: the loss or gradient became NaN or infinite.
        Interrupted: SIGTERM or Ctrl-C; the state is saved.
    """
    config, out = load_config(config) if isinstance(config, str) else config, Path(out)
    if dataset is None:
        dataset = open_or_prepare(config.data.source, config.data.tokenizer, config.data.eos)
    longer = _claim(config, out, dataset, extend)
    if (out / RECORD).exists() and not longer:
        return read_record(out)
    with lock(out / LOCK):
        if longer and _claim(config, out, dataset, extend):  # asked again: another process may have extended it
            _extend(config, out)
        if (out / RECORD).exists():  # another process finished it while this one waited
            return read_record(out)
        with stop_request() as stop:
            loop = Loop(config, dataset, out, warn, mirror)
            loop.resume()
            if not loop.run(stop, progress):
                assert stop.signal is not None
                raise Interrupted(stop.signal, loop.state.step, config.steps)
        record = _record(config, dataset, loop, out)
        write_file(out / RECORD, (json.dumps(record, indent=1) + "\n").encode())
        return record


def read_record(run: Path) -> dict[str, Any]:
    """The record of a finished run.

    Raises:
        MissingFileError: no such run, or not finished.
        RecordError: not a record.
    """
    return _read_json(run / RECORD, "Not a finished run; 'pentanet train' continues it.")


def read_config(run: Path) -> TrainConfig:
    """The configuration of a run."""
    return from_tree(TrainConfig, read_toml(run / CONFIG), str(run / CONFIG))


def read_data(run: Path) -> dict[str, Any]:
    """Name, fingerprint and vocabulary of the tokens that a run belongs to.  Raises as `read_record`."""
    return _read_json(run / DATA, "Not a whole run; start it again in another directory.")


def _read_json(path: Path, hint: str) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise MissingFileError(path, hint) from None
    except (OSError, ValueError) as error:
        raise RecordError(f"{path}: cannot be read: {error}. Start the run again in another directory.") from error
    if not isinstance(found, dict):
        raise RecordError(f"{path}: not a JSON object. Start the run again in another directory.")
    return cast("dict[str, Any]", found)


def _claim(config: TrainConfig, out: Path, dataset: Dataset, extend: bool) -> bool:
    """Make the run directory, or make sure that it is this very run; True where it is to be made longer."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        if not (out / CONFIG).exists():
            if any(path.name not in (DATA, TOKENIZER) for path in out.iterdir() if not path.name.startswith(".")):
                raise WriteError(out, "the directory is not empty and holds no run; choose another --out")
            facts = {"name": dataset.name, "fingerprint": dataset.fingerprint, "vocab": dataset.vocab}
            write_file(out / DATA, (json.dumps(facts, indent=1) + "\n").encode())
            write_file(out / TOKENIZER, (dataset.path / TOKENIZER).read_bytes())
            write_file(out / CONFIG, to_toml(config).encode())  # last: a directory with it is whole
            return False
    except OSError as error:
        raise WriteError(out, str(error)) from error
    try:
        found = read_config(out)
    except ConfigError as error:
        raise CheckpointError(f"{out}: holds a run that cannot be read: {error}; choose another --out") from error
    longer = extend and found.steps < config.steps
    if (replace(found, steps=config.steps) if longer else found) != config:
        pairs = zip(to_toml(found).splitlines(), to_toml(config).splitlines(), strict=False)
        old, new = next(((a, b) for a, b in pairs if a != b), ("another length", "this one"))
        raise CheckpointError(f"{out}: holds a run with '{old}', not '{new}'; choose another --out or remove it")
    if read_data(out)["fingerprint"] != dataset.fingerprint:
        raise CheckpointError(f"{out}: holds a run on other tokens; choose another --out or remove it")
    return longer


def _extend(config: TrainConfig, out: Path) -> None:
    """Let a run have more steps; interrupted in between, the same command does it again."""
    lengths = _lengths(out)
    if (before := read_config(out).steps) not in lengths:
        write_file(out / EXTENDED, (json.dumps({"steps": [*lengths, before]}) + "\n").encode())
    (out / RECORD).unlink(missing_ok=True)
    write_file(out / CONFIG, to_toml(config).encode())


def _lengths(out: Path) -> list[int]:
    """Numbers of steps that a run had before it was extended."""
    return _read_json(out / EXTENDED, "")["steps"] if (out / EXTENDED).exists() else []


def _record(config: TrainConfig, dataset: Dataset, loop: Loop, out: Path) -> dict[str, Any]:
    loss = loop.full_loss()
    found = diagnostics.levels(diagnostics.export(loop.network))
    shares = diagnostics.occupancy(found)
    shape = diagnostics.latent_shape(loop.network)
    flips = loop.state.flips
    total, quantized = count_parameters(loop.network)
    return {
        "version": __version__,
        "method": config.weights.method,
        "seed": config.seed,
        "steps": config.steps,
        "tokens": config.tokens,
        **({"extended_from": lengths} if (lengths := _lengths(out)) else {}),
        **({"init": config.init} if config.init else {}),
        "parameters": total,
        "quantized_parameters": quantized,
        "data": read_data(out),
        "val_loss": loss,
        "val_loss_random_best": loop.state.random_best,
        "perplexity": _exp(loss),
        "bits_per_byte": loss / math.log(2) * dataset.tokens("valid") / dataset.bytes("valid"),
        "zero_fraction": shares.get("0", 0.0) if shares else None,
        "occupancy": shares,
        "flip_rate": sum(flips) / len(flips) if flips else None,
        "moved": None if config.init else diagnostics.changed(_drawn_levels(config, dataset), found),
        "kurtosis": shape.kurtosis,
        "seconds": round(loop.seconds, 2),
        "precision": loop.precision,
        "device": str(loop.device),
        "threads": torch.get_num_threads(),
        "machine": machine().to_dict(),
        "checkpoint": fingerprint(loop.store.paths()[-1]),
        "checkpoint_dir": str(loop.store.paths()[-1].relative_to(out)),
    }


def _drawn_levels(config: TrainConfig, dataset: Dataset) -> diagnostics.Levels:
    """The levels before the first step."""
    return diagnostics.levels(diagnostics.export(new_network(config, dataset.vocab)))


def _exp(loss: float) -> float:
    """Perplexity; a loss too large for it is a mistake of the configuration, not of the float."""
    if not loss <= 700:
        raise ConfigError(f"the validation loss is {loss}: the run diverged; lower optimizer.lr")
    return math.exp(loss)
