"""Checkpoints: what comes back, what damage is noticed, what stays on disk."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from torch import nn

from pentanet.errors import CheckpointError, WriteError
from pentanet.training.checkpoint import (
    MANIFEST,
    OPTIMIZER,
    STATE,
    WEIGHTS,
    Checkpoint,
    CheckpointStore,
    fingerprint,
    load,
    set_weights,
)

FILES = (WEIGHTS, OPTIMIZER, STATE, MANIFEST)


def sample(step: int) -> Checkpoint:
    generator = torch.Generator().manual_seed(step)
    return Checkpoint(
        step=step,
        weights={"a": torch.randn(5, 3, generator=generator).T, "b": torch.randn(2, generator=generator).bfloat16()},
        optimizer={"a/step": torch.tensor(float(step)), "generator/cpu": torch.arange(7, dtype=torch.uint8)},
        state={"batches": {"drawn": 8 * step}, "flips": [0.1, 1 / 3], "random_best": None},
    )


class Store(CheckpointStore):
    """One that remembers what it warned of."""

    def __init__(self, folder: Path, keep: int = 2) -> None:
        self.warnings: list[str] = []
        super().__init__(folder, keep, self.warnings.append)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "checkpoints")


def steps(store: CheckpointStore) -> list[int]:
    return [int(path.name.removeprefix("step_")) for path in store.paths()]


def assert_same(found: Checkpoint | None, expected: Checkpoint) -> None:
    assert found is not None
    assert (found.step, found.state) == (expected.step, expected.state)
    for mine, other in ((found.weights, expected.weights), (found.optimizer, expected.optimizer)):
        assert mine.keys() == other.keys()
        for name, tensor in other.items():
            assert mine[name].dtype == tensor.dtype
            assert torch.equal(mine[name], tensor)


def test_round_trip(store: Store) -> None:
    store.save(sample(3))
    assert_same(store.newest(), sample(3))
    assert not store.warnings


def test_the_newest_is_taken_and_the_oldest_go(store: Store) -> None:
    for step in (2, 4, 10, 100):
        store.save(sample(step))
    assert steps(store) == [10, 100]
    assert_same(store.newest(), sample(100))


def test_no_checkpoint_is_none(store: Store) -> None:
    assert store.newest() is None
    assert store.paths() == []


def test_fingerprints_are_of_the_contents(store: Store, tmp_path: Path) -> None:
    path, twin = store.save(sample(1)), Store(tmp_path / "other").save(sample(1))
    assert fingerprint(path) == fingerprint(twin)
    changed = sample(1)
    changed.weights["a"][0, 0] += 1e-6
    assert fingerprint(Store(tmp_path / "third").save(changed)) != fingerprint(path)
    moved = sample(1)
    moved.state["batches"]["drawn"] += 1
    assert fingerprint(Store(tmp_path / "fourth").save(moved)) != fingerprint(path)


def flip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 4
    file.write_bytes(data)


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


DAMAGES: dict[str, Callable[[Path], object]] = {
    "flip": flip,
    "cut": cut,
    "remove": Path.unlink,
    "empty": lambda file: file.write_bytes(b""),
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_newest_one_is_skipped_with_a_warning(store: Store, name: str, damage: str) -> None:
    store.save(sample(1))
    path = store.save(sample(2))
    DAMAGES[damage](path / name)
    assert_same(store.newest(), sample(1))
    assert len(store.warnings) == 1
    assert str(path) in store.warnings[0]
    DAMAGES[damage](store.paths()[0] / name)
    with pytest.raises(CheckpointError, match=r"every checkpoint is damaged; start the run again in another directory"):
        store.newest()


def test_files_of_two_checkpoints_do_not_mix(store: Store) -> None:
    first, second = store.save(sample(1)), store.save(sample(2))
    shutil.copy(first / OPTIMIZER, second / OPTIMIZER)
    with pytest.raises(CheckpointError, match=r"optimizer.safetensors: differs from its checksum"):
        load(second)


@pytest.mark.parametrize("content", ["[]", "{}", "null", '{"weights.safetensors": 1}'])
def test_a_manifest_of_another_shape(store: Store, content: str) -> None:
    path = store.save(sample(1))
    (path / MANIFEST).write_text(content, encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"step_00000001"):
        load(path)


@pytest.mark.parametrize("keep", [1, 2])
def test_after_going_back_the_new_checkpoint_stays_and_the_damaged_one_goes(tmp_path: Path, keep: int) -> None:
    store = Store(tmp_path / "checkpoints", keep=2)
    store.save(sample(10))
    flip(store.save(sample(20)) / WEIGHTS)
    store.keep = keep
    assert_same(store.newest(), sample(10))
    store.save(sample(15))
    assert steps(store) == [10, 15][-keep:]
    assert_same(store.newest(), sample(15))


def test_saving_over_a_damaged_one(store: Store) -> None:
    flip(store.save(sample(1)) / STATE)
    store.save(sample(1))
    assert_same(store.newest(), sample(1))
    assert not store.warnings


def test_a_failed_save_leaves_the_older_ones(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.save(sample(1))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pentanet.training.checkpoint.replace_dir", full)
    with pytest.raises(WriteError, match=r"step_00000002: not written: .*No space left"):
        store.save(sample(2))
    assert steps(store) == [1]
    assert [path.name for path in store.folder.iterdir()] == ["step_00000001"]


def test_weights_of_another_network() -> None:
    network = nn.Linear(3, 2)
    weights = {name: torch.ones_like(p) for name, p in network.named_parameters()}
    good = Checkpoint(step=7, weights=weights, optimizer={}, state={})
    set_weights(network, good)
    assert all((p == 1).all() for p in network.parameters())
    for odd in ({}, weights | {"more": torch.ones(1)}, weights | {"bias": torch.ones(1)}):
        with pytest.raises(CheckpointError, match=r"checkpoint of step 7 is of another release"):
            set_weights(network, replace(good, weights=odd))


def test_nothing_is_pickled(store: Store) -> None:
    path = store.save(sample(1))
    assert sorted(file.name for file in path.iterdir()) == sorted(FILES)
    assert json.loads((path / STATE).read_text(encoding="utf-8"))["step"] == 1
    with safe_open(path / WEIGHTS, "pt") as file:
        assert sorted(file.keys()) == ["a", "b"]
