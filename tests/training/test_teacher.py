"""Learning from a trained network: a restart, and teachers that cannot teach."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from pentanet.data.dataset import Dataset
from pentanet.data.prepare import prepare
from pentanet.errors import CheckpointError, ConfigError, MissingFileError, TokenizerMismatchError
from pentanet.training.config import TrainConfig
from pentanet.training.loop import Loop, Progress
from pentanet.training.run import train
from pentanet.training.signals import StopRequest

Configure = Callable[..., TrainConfig]


def quiet(_: object) -> None:
    pass


@pytest.fixture(scope="module")
def teacher(configure: Configure, tiny: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("teacher") / "run"
    train(configure("llama", "weights.method=full-precision", "steps=3"), run, tiny)
    return run


def test_a_student_follows_its_teacher_and_survives_a_restart(
    configure: Configure, tiny: Dataset, tmp_path: Path, teacher: Path
) -> None:
    config = configure("gpt", f'distill.teacher="{teacher}"', "distill.share=1", "steps=4", "checkpoint_every=2")
    loop = Loop(config, tiny, tmp_path, pytest.fail)
    assert loop.teacher is not None
    assert not any(p.requires_grad for p in loop.teacher.parameters())
    before = [p.clone() for p in loop.teacher.parameters()]
    losses: list[float] = []

    def note(now: Progress) -> None:
        losses.append(now.loss)

    loop.run(StopRequest(), note)
    assert all(torch.equal(p, q) for p, q in zip(loop.teacher.parameters(), before, strict=True))
    rows = (tmp_path / "metrics.jsonl").read_bytes()
    shutil.rmtree(loop.store.paths()[-1])
    again = Loop(config, tiny, tmp_path, pytest.fail)
    assert again.resume()
    again.run(StopRequest(), quiet)
    assert (tmp_path / "metrics.jsonl").read_bytes() == rows
    plain = Loop(configure("gpt", "steps=1"), tiny, tmp_path, pytest.fail)
    assert plain.teacher is None


def test_teachers_that_cannot_teach(configure: Configure, tiny: Dataset, tmp_path: Path, teacher: Path) -> None:
    def start(path: Path, *more: str, dataset: Dataset = tiny) -> None:
        Loop(configure("llama", f'distill.teacher="{path}"', *more), dataset, tmp_path, quiet)

    with pytest.raises(MissingFileError, match=r"distill\.teacher must be the directory of a run"):
        start(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match="reads windows of 16 tokens, not of 32"):
        start(teacher, "model.context=32")
    (tmp_path / "text.txt").write_text("other words for another vocabulary\n" * 3000, encoding="utf-8")
    other = prepare(tmp_path / "text.txt", tmp_path / "other", tokenizer="bpe:264", eos="line")
    with pytest.raises(TokenizerMismatchError, match="the teacher"):
        start(teacher, dataset=other)
    begun = tmp_path / "begun"
    shutil.copytree(teacher, begun)
    shutil.rmtree(begun / "checkpoints")
    with pytest.raises(CheckpointError, match="has no checkpoint yet"):
        start(begun)
    with pytest.raises(ConfigError, match=r"distill\.share = 0.*must lie in \(0, 1\]"):
        configure("llama", "distill.share=0")
