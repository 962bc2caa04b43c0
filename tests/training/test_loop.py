"""The loop: the same start for every method, what it logs, and what stops it."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pentanet.data.batches import RandomWindows
from pentanet.data.dataset import Dataset
from pentanet.errors import ConfigError, NonFiniteLossError, TextTooShortError
from pentanet.nn import quantized_modules
from pentanet.quant import METHODS
from pentanet.training.checkpoint import load
from pentanet.training.config import TrainConfig
from pentanet.training.loop import Loop, Progress, new_network, resolve_device
from pentanet.training.loss import mean_loss, validation_batches
from pentanet.training.schedule import rate
from pentanet.training.signals import StopRequest

Configure = Callable[..., TrainConfig]


def quiet(_: object) -> None:
    pass


def weights(config: TrainConfig, vocab: int = 270) -> dict[str, torch.Tensor]:
    found = new_network(config, vocab).named_parameters()
    extra = (".quantizer.", ".inputs.", ".low_rank.")  # of the method, not of the network
    return {name: p.detach() for name, p in found if not any(part in name for part in extra)}


@pytest.mark.parametrize("family", ["llama", "gpt"])
def test_a_seed_has_one_set_of_initial_weights_for_every_method(configure: Configure, family: str) -> None:
    first = weights(configure(family))
    for method in METHODS:
        for storage in ("int8", "bfloat16", "float32", "grid"):
            settings = (f"weights.method={method}", f"weights.embedding={storage}", f"weights.head={storage}")
            other = weights(configure(family, *settings, "optimizer.kind=muon", "precision=bfloat16"))
            assert other.keys() == first.keys()
            assert all(torch.equal(other[name], first[name]) for name in first)
    different = weights(configure(family, "seed=1"))
    assert not any(torch.equal(different[name], first[name]) for name, p in first.items() if p.std() > 0)


@pytest.mark.parametrize("windows", ["epoch", "random"])
def test_a_seed_has_one_sequence_of_batches_for_every_method(
    configure: Configure, tiny: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, windows: str
) -> None:
    """Recorded where they meet the network, training and random validation alike."""
    seen: list[bytes] = []

    def spy(network: torch.nn.Module, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        seen.append(x.numpy().tobytes() + y.numpy().tobytes())
        return network(x).float().flatten(0, 1).square().mean(-1)

    monkeypatch.setattr("pentanet.training.loop.token_losses", spy)
    monkeypatch.setattr("pentanet.training.loss.token_losses", spy)

    def batches(name: str, *pairs: str) -> list[bytes]:
        seen.clear()
        (tmp_path / name).mkdir()
        config = configure("gpt", f"batch.windows={windows}", "eval_random_batches=2", "model.dropout=0.1", *pairs)
        Loop(config, tiny, tmp_path / name, quiet).run(StopRequest(), quiet)
        return list(seen)

    first = batches("first")
    assert len(set(first)) > 3
    for method in METHODS:
        assert batches(method, f"weights.method={method}") == first
    assert batches("seed", "seed=1") != first


def test_the_first_batches_are_the_publications(configure: Configure, tiny: Dataset, tmp_path: Path) -> None:
    loop = Loop(configure("gpt", "batch.windows=random", "seed=42", "batch.size=8"), tiny, tmp_path, quiet)
    tokens = tiny.split("train").tokens
    random = np.random.RandomState(42)
    for _ in range(3):
        starts = random.randint(0, len(tokens) - 16, 8)
        x, y = loop.state.batches.next()
        np.testing.assert_array_equal(x, [tokens[i : i + 16] for i in starts])
        np.testing.assert_array_equal(y, [tokens[i + 1 : i + 17] for i in starts])


def test_published_windows_leave_out_what_the_publication_evaluates_on(
    configure: Configure, tiny: Dataset, tmp_path: Path
) -> None:
    config = configure("gpt", "batch.windows=published", "eval_random_batches=5", "eval_every=2", "seed=42")
    batches, random = Loop(config, tiny, tmp_path, quiet).state.batches, np.random.RandomState(42)
    tokens = tiny.split("train").tokens
    for step in range(4):
        starts = random.randint(0, len(tokens) - 16, 2)
        np.testing.assert_array_equal(batches.next()[0], [tokens[i : i + 16] for i in starts])
        if step % 2 == 0:
            random.randint(0, len(tokens) - 16, (5, 2))


def run(config: TrainConfig, dataset: Dataset, folder: Path, progress: Callable[[Progress], None] = quiet) -> Loop:
    loop = Loop(config, dataset, folder, quiet)
    assert loop.run(StopRequest(), progress)
    return loop


@pytest.mark.parametrize("family", ["llama", "gpt"])
@pytest.mark.parametrize("kind", ["adamw", "muon"])
def test_training_lowers_the_loss(configure: Configure, tiny: Dataset, tmp_path: Path, family: str, kind: str) -> None:
    told: list[Progress] = []
    settings = ("steps=40", "eval_every=40", "batch.size=8", f"optimizer.kind={kind}", "checkpoint_every=40")
    run(configure(family, *settings), tiny, tmp_path, told.append)
    assert [p.step for p in told] == list(range(1, 41))
    assert told[0].loss > math.log(270) - 0.5
    assert told[-1].val_loss is not None
    assert told[-1].val_loss < told[0].loss - 1


def test_what_is_logged(configure: Configure, tiny: Dataset, tmp_path: Path) -> None:
    config = configure("llama", "steps=7", "log_every=3", "eval_every=4", "schedule.warmup=2", "eval_random_batches=1")
    loop = run(config, tiny, tmp_path)
    rows = loop.metrics.rows()
    trained = [row for row in rows if "train_loss" in row]
    assert [row["step"] for row in trained] == [1, 3, 6, 7]
    lrs = [config.optimizer.lr * rate(config.schedule, row["step"] - 1, 7) for row in trained]
    assert [row["lr"] for row in trained] == pytest.approx(lrs)
    assert all(row["grad_norm"] > 0 for row in trained)
    validated = [row for row in rows if "val_loss" in row]
    assert [row["step"] for row in validated] == [0, 4, 7]
    assert [row["tokens"] for row in validated] == [0, 4 * 2 * 16, 7 * 2 * 16]
    assert [row["flip_rate"] is None for row in validated] == [True, False, False]
    for row in validated:
        assert sum(row["occupancy"].values()) == pytest.approx(1)
        assert row["zero_fraction"] == row["occupancy"]["0"]
        assert row["val_loss_random"] != row["val_loss"]
    steps = [row["step"] for row in rows]
    assert steps == sorted(steps)
    assert loop.state.random_best == min(row["val_loss_random"] for row in validated)


def test_the_flip_rate_is_that_of_one_step(configure: Configure, tiny: Dataset, tmp_path: Path) -> None:
    config = configure("llama", "steps=2", "eval_every=1", "checkpoint_every=1", "keep=3", "schedule.warmup=0")
    loop = run(config, tiny, tmp_path)
    first, second = (load(path).weights for path in loop.store.paths())

    def levels(state: dict[str, torch.Tensor]) -> list[Any]:
        return [
            m.quantizer.export(state[f"{name}.weight"]).levels
            for name, m in quantized_modules(loop.network)
            if m.by_method
        ]

    pairs = list(zip(levels(first), levels(second), strict=True))
    flips = sum(int((a != b).sum()) for a, b in pairs) / sum(a.size for a, _ in pairs)
    assert flips > 0
    assert loop.metrics.rows()[-1]["flip_rate"] == flips


def test_eval_tokens_shortens_validations_and_not_the_result(
    configure: Configure, tiny: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pentanet.training.loss.EVALUATION_TOKENS", 128)
    loop = run(configure("llama", "steps=1", "eval_tokens=100"), tiny, tmp_path)
    windows = list(validation_batches(tiny, "valid", 16))
    assert len(windows) > 2
    assert loop.val_loss == mean_loss(loop.network, windows[:1], loop.device, "float32")[0]
    assert loop.full_loss() == mean_loss(loop.network, windows, loop.device, "float32")[0]


def test_result_tokens_shortens_the_result(
    configure: Configure, tiny: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pentanet.training.loss.EVALUATION_TOKENS", 128)
    loop = run(configure("llama", "steps=1", "result_tokens=200"), tiny, tmp_path)
    windows = list(validation_batches(tiny, "valid", 16))
    assert loop.full_loss() == mean_loss(loop.network, windows[:2], loop.device, "float32")[0]
    assert loop.val_loss == mean_loss(loop.network, windows, loop.device, "float32")[0]


def test_progress_reaches_the_quantizers(
    configure: Configure, tiny: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[float] = []

    def spy(_: object, progress: float) -> None:
        seen.append(progress)

    monkeypatch.setattr("pentanet.training.loop.set_progress", spy)
    loop = run(configure("llama", "steps=4", "eval_every=4"), tiny, tmp_path)
    assert seen == [0.0, 0.0, 0.25, 0.5, 0.75, 1.0]  # validations before the first and after the last step
    loop.full_loss()
    assert seen[-1] == 1.0


def failing(config: TrainConfig, dataset: Dataset, folder: Path) -> tuple[Loop, str]:
    loop = Loop(config, dataset, folder, quiet)
    with pytest.raises(NonFiniteLossError) as caught:
        loop.run(StopRequest(), quiet)
    return loop, str(caught.value)


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_the_weights(
    configure: Configure, tiny: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pentanet.training import loop as module

    real, calls = module.token_losses, []

    def poisoned(network: torch.nn.Module, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        calls.append(1)
        return real(network, x, y) * (math.nan if len(calls) == 4 else 1.0)

    monkeypatch.setattr(module, "token_losses", poisoned)
    config = configure("llama", "steps=6", "eval_every=6", "checkpoint_every=1")
    loop, message = failing(config, tiny, tmp_path)
    newest = loop.store.paths()[-1]
    assert newest.name == "step_00000003"
    assert message.startswith("step 4: the loss is nan; ")
    assert f"The last good checkpoint is {newest}." in message
    assert "optimizer.lr" in message
    saved = load(newest)
    assert all(torch.equal(p, saved.weights[name]) for name, p in loop.network.named_parameters())
    assert loop.metrics.rows()[-1]["step"] == 3


def test_a_gradient_that_is_not_finite_stops_the_run(
    configure: Configure, tiny: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pentanet.training import loop as module

    real = module.token_losses

    def steep(network: torch.nn.Module, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        losses = real(network, x, y)
        return losses + (losses - losses.detach()) * math.inf if losses.requires_grad else losses

    monkeypatch.setattr(module, "token_losses", lambda *a: steep(*a).nan_to_num(1.0))
    loop, message = failing(configure("llama"), tiny, tmp_path)
    assert message.startswith("step 1: the norm of the gradient is ")
    assert "There is no checkpoint yet." in message
    start = new_network(loop.config, tiny.vocab)
    assert all(torch.equal(p, q) for p, q in zip(loop.network.parameters(), start.parameters(), strict=True))


def test_a_huge_rate_is_named_and_never_saved(configure: Configure, tiny: Dataset, tmp_path: Path) -> None:
    config = configure(
        "llama", "optimizer.lr=1e38", "schedule.warmup=0", "steps=4", "checkpoint_every=1", "eval_every=1"
    )
    loop, message = failing(config, tiny, tmp_path)
    assert "validation loss is nan" in message or "the loss is " in message
    for path in loop.store.paths():
        assert all(tensor.isfinite().all() for tensor in load(path).weights.values())


def test_a_text_shorter_than_a_window_is_refused(configure: Configure, tiny: Dataset, tmp_path: Path) -> None:
    with pytest.raises(TextTooShortError, match=r"train.bin.*one window of context 1000000"):
        Loop(configure("llama", "model.context=1000000"), tiny, tmp_path, quiet)
    # A short validation split is no obstacle but to random windows.
    context = f"model.context={tiny.tokens('valid') + 1}"
    run(configure("llama", context, "steps=1", "batch.size=1"), tiny, tmp_path)
    with pytest.raises(TextTooShortError, match=r"valid.bin"):
        Loop(configure("llama", context, "eval_random_batches=1"), tiny, tmp_path, quiet)


def test_devices() -> None:
    assert resolve_device("cpu") == torch.device("cpu")
    assert resolve_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    for name in ("gpu", "mps", "cuda:99", "meta"):
        with pytest.raises(ConfigError, match=f"device = '{name}': must be auto, cpu, cuda or cuda:N"):
            resolve_device(name)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu(configure: Configure, tiny: Dataset, tmp_path: Path) -> None:
    assert resolve_device("auto") == torch.device("cpu")
    with pytest.raises(ConfigError, match="device = 'cuda': this torch finds no GPU"):
        Loop(configure("llama", "device=cuda"), tiny, tmp_path, quiet)


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux what a handle is of")
def test_the_log_is_on_the_disk_before_the_checkpoint_that_counts_on_it(
    configure: Configure, tiny: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[str] = []
    real = os.fsync

    def spy(handle: int) -> None:
        flushed.append(Path(f"/proc/self/fd/{handle}").resolve().name)
        real(handle)

    monkeypatch.setattr("os.fsync", spy)
    run(configure("llama", "steps=1"), tiny, tmp_path)
    assert flushed[0] == "metrics.jsonl"
    assert flushed.count("metrics.jsonl") == 1
    assert {"weights.safetensors", "optimizer.safetensors", "state.json", "manifest.json"} <= set(flushed)
    assert flushed[-1] == "checkpoints"  # the renaming


def test_random_validation_windows_are_drawn_anew(configure: Configure, tiny: Dataset, tmp_path: Path) -> None:
    loop = Loop(configure("gpt", "eval_random_batches=2"), tiny, tmp_path, quiet)
    assert isinstance(loop.state.random_batches, RandomWindows)
    before = loop.state.random_batches.state()["drawn"]
    loop._validate({}, {})
    assert loop.state.random_batches.state()["drawn"] == before + 2 * loop.config.batch.size
    assert Loop(configure("gpt"), tiny, tmp_path, quiet).state.random_batches is None


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        (("weights.method=sherry", "model.hidden=42"), r"down_proj', method 'sherry': .* must be a multiple of 4"),
        (("weights.method=tequila", "model.hidden=131"), r"down_proj', method 'tequila': group of 128 inputs does not"),
        (("weights.method=pentanry",), "unknown method 'pentanry'. Did you mean 'pentanary'"),
    ],
)
def test_a_method_that_does_not_fit_the_network(configure: Configure, pairs: tuple[str, ...], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        new_network(configure("llama", *pairs), 270)
