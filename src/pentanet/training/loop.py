"""The training loop."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pentanet.data.batches import EpochWindows, RandomWindows
from pentanet.data.dataset import Dataset
from pentanet.errors import ConfigError
from pentanet.families.build import build
from pentanet.families.network import Network
from pentanet.nn import Trainable, initialize_quantizers, method_modules, set_progress
from pentanet.nn.precision import resolve_precision
from pentanet.quant import method
from pentanet.training import diagnostics
from pentanet.training.checkpoint import CheckpointStore
from pentanet.training.config import TrainConfig
from pentanet.training.initial import start_from
from pentanet.training.learner import Gradient, Learner
from pentanet.training.loss import mean_loss, token_losses, validation_batches
from pentanet.training.metrics import MetricsLog
from pentanet.training.objective import distilled_loss
from pentanet.training.optimizers import Optimizer
from pentanet.training.signals import StopRequest
from pentanet.training.state import Batches, RunState
from pentanet.training.teacher import load_teacher


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """What the loop tells whoever watches.

    Attributes:
        step, steps: done and planned.
        loss: of the last step, in nats per token.
        val_loss: of the last validation, or None before the first.
    """

    step: int
    steps: int
    loss: float
    val_loss: float | None


def new_network(config: TrainConfig, vocab: int, device: torch.device | str = "cpu") -> Network:
    """The network with its initial weights: drawn on the CPU, the same for every method and device.

    Raises:
        UnknownNameError: no such method.
        ConfigError: the method's groups or blocks do not divide the inputs of a matrix; names it.
    """
    weights = config.weights
    low_rank = method(weights.method).low_rank
    make = Trainable(
        weights.method,
        weights.embedding,
        weights.head,
        weights.used_activations,
        low_rank,
        start=weights.start,
        anneal=weights.anneal,
    )
    network = build(config.model, vocab, make)
    for name, module in method_modules(network):
        rows, cols = module.weight.shape
        try:
            method(weights.method).require_shape(rows, cols)
        except ConfigError as error:
            raise ConfigError(f"'{name}', method '{weights.method}': {error}") from None
    network.initialize(torch.Generator().manual_seed(config.seed))
    return network.to(device)


def resolve_device(name: str) -> torch.device:
    """What "auto" means here: the first GPU if there is one.

    Raises:
        ConfigError: no such device, or not on this machine.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ConfigError(f"device = '{name}': must be auto, cpu, cuda or cuda:N") from None
    if device.type not in ("cpu", "cuda") or (device.index or 0) >= max(1, torch.cuda.device_count()):
        raise ConfigError(f"device = '{name}': must be auto, cpu, cuda or cuda:N, and be on this machine")
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ConfigError(f"device = '{name}': this torch finds no GPU; take device=auto, or install a CUDA build")
    return device


def _batches(config: TrainConfig, dataset: Dataset) -> Batches:
    """The windows that a run trains on."""
    stream, size, context = dataset.split("train"), config.batch.size, config.model.context
    match config.batch.windows:
        case "epoch":
            return EpochWindows(stream, size, context, config.seed)
        case "random":
            return RandomWindows(stream, size, context, config.seed)
        case "published":
            skip, every = config.eval_random_batches, config.eval_every
            return RandomWindows(stream, size, context, config.seed, skip=skip, every=every)


class Loop(Learner[RunState]):
    """One run: owns the state and the logs, knows nothing of directories to resume or records to write.

    Args:
        folder: where metrics.jsonl, timing.jsonl and checkpoints/ go.
        warn: told about damaged checkpoints.
        mirror: told every row of metrics.jsonl as it is written.
    """

    def __init__(
        self,
        config: TrainConfig,
        dataset: Dataset,
        folder: Path,
        warn: Callable[[str], None],
        mirror: Callable[[dict[str, Any]], None] | None = None,
    ) -> None:
        self.config, self.dataset = config, dataset
        device = resolve_device(config.device)
        torch.manual_seed(config.seed)
        self.network = new_network(config, dataset.vocab, device)
        self.optimizer = Optimizer(self.network, config.optimizer, config.schedule, config.steps)
        size, context = config.batch.size, config.model.context
        state = RunState(
            network=self.network,
            optimizer=self.optimizer,
            batches=_batches(config, dataset),
            random_batches=RandomWindows(dataset.split("valid"), size, context, config.seed)
            if config.eval_random_batches
            else None,
        )
        precision = resolve_precision(config.precision, device)
        super().__init__(state, device=device, precision=precision, clip=config.optimizer.clip)
        self.teacher = None
        if name := config.distill.teacher:
            self.teacher = load_teacher(Path(name), dataset, context, new_network, warn).to(device)
        self.metrics = MetricsLog(folder / "metrics.jsonl", mirror)
        self.timing = MetricsLog(folder / "timing.jsonl")
        self.store = CheckpointStore(folder / "checkpoints", config.keep, warn)
        self.saved = 0
        self.val_loss: float | None = None

    @property
    def finished(self) -> bool:
        """Whether the last step is made."""
        return self.state.step >= self.config.steps

    def resume(self) -> bool:
        """Go back to the newest checkpoint; False if there is none and the run starts from its first step."""
        checkpoint = self.store.newest()
        self.metrics.cut(self.state.restore(checkpoint) if checkpoint else 0)
        if checkpoint is None:
            self.timing.cut(0)
            if self.config.init:
                start_from(Path(self.config.init), self.network, self.dataset, self.store.warn)
            return False
        self.saved = checkpoint.step
        rows = [row for row in self.timing.rows() if row["step"] <= checkpoint.step]
        self.timing.keep(rows)
        self.seconds = rows[-1]["seconds"] if rows else 0.0
        validations = [row["val_loss"] for row in self.metrics.rows() if "val_loss" in row]
        self.val_loss = validations[-1] if validations else None
        return True

    def run(self, stop: StopRequest, progress: Callable[[Progress], None]) -> bool:
        """Train to the last step; True if it was reached, False if `stop` came first.  Saves in both cases.

        Raises:
            NonFiniteLossError: a loss or the gradient became NaN or infinite; nothing of that is saved.
        """
        self.network.train()
        if self.state.step == 0:
            started = time.monotonic()
            self._validate({}, {})
            self.seconds += time.monotonic() - started

        def tell(loss: float) -> None:
            progress(Progress(step=self.state.step, steps=self.config.steps, loss=loss, val_loss=self.val_loss))

        reached = self.learn(stop, tell)
        self.save()
        return reached

    def save(self) -> None:
        """Write a checkpoint of the present state, unless there is one or the run has not begun."""
        if self.state.step == self.saved:
            return
        self.timing.write({"step": self.state.step, "seconds": round(self.seconds, 3)})
        self.store.save(self.state.checkpoint(self.metrics.sync()))
        self.saved = self.state.step

    def full_loss(self) -> float:
        """Loss on the validation split (or its first `result_tokens`), as the packed model is measured."""
        set_progress(self.network, self.state.step / self.config.steps)
        batches = validation_batches(self.dataset, "valid", self.config.model.context, self.config.result_tokens)
        return mean_loss(self.network, batches, self.device, self.precision)[0]

    def _due(self) -> bool:
        return self.state.step % self.config.checkpoint_every == 0

    def _loss(self, x_BT: Tensor, y_BT: Tensor) -> Tensor:
        if self.teacher is None:
            return token_losses(self.network, x_BT, y_BT).mean()
        return distilled_loss(self.network, self.teacher, x_BT, y_BT, self.config.distill.share)

    def _step(self) -> float:
        config, state = self.config, self.state
        self._begin_rounding()
        gradient = self._forward_backward()
        validate = state.step + 1 == config.steps or (state.step + 1) % config.eval_every == 0
        before = diagnostics.export(self.network) if validate else {}
        ranks = diagnostics.gradient_rank(self.network) if validate else {}
        self._record(gradient, self._update())
        if validate:
            self._validate(before, ranks)
        return gradient.loss

    def _update(self) -> float:
        """Apply the gradient; returns AdamW's learning rate."""
        lr = self.optimizer.step(self.state.step)
        self.state.step += 1
        return lr

    def _record(self, gradient: Gradient, lr: float) -> None:
        """Write a line on the step that was made, if it is one of those that are logged."""
        step = self.state.step
        if step in (1, self.config.steps) or step % self.config.log_every == 0:
            self.metrics.write({"step": step, "train_loss": gradient.loss, "lr": lr, "grad_norm": gradient.norm})

    def _begin_rounding(self) -> None:
        """Tell the quantizers how far the run is; learned steps begin where rounding begins."""
        config, done = self.config, self.state.step
        set_progress(self.network, done / config.steps)
        start = config.weights.start
        if start and (done - 1) / config.steps < start <= done / config.steps:
            initialize_quantizers(self.network)

    def _advice(self) -> str:
        saved = self.store.paths()
        return (
            "stopped before it reached a checkpoint. "
            + (f"The last good checkpoint is {saved[-1]}. " if saved else "There is no checkpoint yet. ")
            + "Lower optimizer.lr, lengthen schedule.warmup or set optimizer.clip."
        )

    def _validate(self, before: diagnostics.Exported, ranks: dict[str, float]) -> None:
        """Write a line of everything that is measured; `before` and `ranks` are of the moment before the last step."""
        config, state = self.config, self.state
        set_progress(self.network, state.step / config.steps)
        row: dict[str, Any] = {"step": state.step, "tokens": state.step * config.batch.size * config.model.context}
        batches = validation_batches(self.dataset, "valid", config.model.context, config.eval_tokens)
        self.val_loss, _ = mean_loss(self.network, batches, self.device, self.precision)
        self._require_finite("validation loss", self.val_loss, state.step)
        row["val_loss"] = self.val_loss
        if state.random_batches is not None:
            row["val_loss_random"] = self._random_loss(state.random_batches)
        exported = diagnostics.export(self.network)
        state.zero_spells.see(exported)
        found = diagnostics.levels(exported)
        rate = diagnostics.changed(diagnostics.levels(before), found) if before else None
        if rate is not None:
            state.flips.append(rate)
        shares, shape = diagnostics.occupancy(found), diagnostics.latent_shape(self.network)
        row |= {
            "flip_rate": rate,
            "zero_fraction": shares.get("0", 0.0) if shares else None,
            "occupancy": shares,
            "kurtosis": shape.kurtosis,
            "latent_rms": shape.rms,
            "layers": diagnostics.layers(self.network, exported, before, state.zero_spells),
            "gradient_rank": ranks,
            "residual": diagnostics.residual(self.network, self.dataset, self.device, self.precision),
        }
        self.metrics.write(row)

    def _random_loss(self, batches: RandomWindows) -> float:
        """Mean over random windows, new ones each time: the publication's noisy estimate."""
        count = self.config.eval_random_batches
        windows = ((x, y, np.ones_like(y, np.bool_)) for x, y in (batches.next() for _ in range(count)))
        loss, _ = mean_loss(self.network, windows, self.device, self.precision)
        best = self.state.random_best
        self.state.random_best = loss if best is None else min(best, loss)
        return loss
