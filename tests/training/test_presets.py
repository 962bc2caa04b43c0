"""Every preset loads, and the published ones say what was published."""

from __future__ import annotations

from pathlib import Path

import pytest

from pentanet.config import to_toml
from pentanet.errors import ConfigError, MissingFileError, UnknownKeyError, UnknownNameError
from pentanet.families import GPTConfig, LlamaConfig
from pentanet.quant import METHODS
from pentanet.training.config import TrainConfig
from pentanet.training.loop import new_network
from pentanet.training.presets import load_config, preset_names
from pentanet.training.schedule import decay, rate


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_loads(name: str) -> None:
    config = load_config(name)
    assert config.weights.method in METHODS


def test_names() -> None:
    assert {"nano", "nano-seed", "seed-124m", "seed-345m"} <= set(preset_names())
    assert preset_names() == sorted(preset_names())


def test_overrides_change_a_preset_and_nothing_else() -> None:
    changed = load_config("nano", ["optimizer.lr=0.5", "weights.method=ternary"])
    assert (changed.optimizer.lr, changed.weights.method) == (0.5, "ternary")
    back = load_config("nano", [f"optimizer.lr={load_config('nano').optimizer.lr}"])
    assert back == load_config("nano")


def test_a_file_is_a_preset_of_ones_own(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(to_toml(load_config("seed-124m", ["steps=3"])), encoding="utf-8")
    assert load_config(str(file)) == load_config("seed-124m", ["steps=3"])
    with pytest.raises(MissingFileError, match=r"other\.toml"):
        load_config(str(tmp_path / "other.toml"))
    with pytest.raises(UnknownKeyError, match=r"mine.toml: optimizer: unknown key 'l_r'"):
        load_config(str(file), ["optimizer.l_r=1.0"])


def test_an_unknown_preset_names_its_neighbour() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown preset 'nanno'\. Did you mean 'nano'\?"):
        load_config("nanno")
    assert issubclass(UnknownNameError, ConfigError)


# Hidden width, and parameters as the name says them.
SPECTRA = {
    "99m": (1280, 99e6),
    "190m": (2048, 190e6),
    "390m": (2560, 390e6),
    "560m": (3072, 560e6),
    "830m": (4096, 830e6),
    "1.1b": (5120, 1.1e9),
    "1.5b": (6144, 1.5e9),
    "2.4b": (7680, 2.4e9),
    "3.9b": (9216, 3.9e9),
}


@pytest.mark.parametrize("size", SPECTRA)
def test_the_spectra_suite(size: str) -> None:
    trilm, floatlm = load_config(f"trilm-{size}"), load_config(f"floatlm-{size}")
    assert trilm.model == floatlm.model
    model = trilm.model
    assert isinstance(model, LlamaConfig)
    hidden, named = SPECTRA[size]
    linears = model.layers * model.width * (4 * model.width + 3 * model.hidden)
    assert model.hidden == hidden
    assert linears + 2 * 50_257 * model.width == pytest.approx(named, rel=0.05)
    assert (trilm.weights.method, floatlm.weights.method) == ("trilm", "full-precision")
    assert trilm.tokens == pytest.approx(300e9, rel=1e-5)
    # Peak and weight decay: down at a half, off at two thirds.
    half, third = trilm.steps // 2, round(trilm.steps * 2 / 3)
    assert trilm.optimizer.lr > 4 * floatlm.optimizer.lr
    drop = rate(trilm.schedule, half + 1, trilm.steps) / rate(trilm.schedule, half - 1, trilm.steps)
    assert drop == pytest.approx(trilm.schedule.drop_to, rel=1e-3)
    assert (decay(trilm.schedule, third - 100, trilm.steps), decay(trilm.schedule, third + 200, trilm.steps)) == (1, 0)
    assert decay(floatlm.schedule, floatlm.steps - 1, floatlm.steps) == 1


def test_rates_of_the_smallest_trilm() -> None:
    config = load_config("trilm-99m")
    assert config.optimizer.lr == 2.4e-3
    assert config.optimizer.lr * config.schedule.drop_to == pytest.approx(1.5e-3)


def test_bitnet_has_norms_without_gains() -> None:
    config = load_config("nano-bitnet")
    network = new_network(config, 300)
    frozen = {name for name, p in network.named_parameters() if not p.requires_grad}
    assert frozen == {name for name, _ in network.named_parameters() if "norm" in name and "layers" in name}
    assert config.weights.used_activations == "int8"
    assert (config.schedule.kind, config.schedule.decay_off) == ("two-stage", 0.5)


@pytest.mark.parametrize(
    ("name", "shape", "windows"), [("seed-124m", (12, 768, 12), 8), ("seed-345m", (24, 1024, 16), 4)]
)
def test_the_published_recipe(name: str, shape: tuple[int, int, int], windows: int) -> None:
    """Section 1.2 to 1.4 of the publication's code, value by value."""
    config: TrainConfig = load_config(name)
    model = config.model
    assert isinstance(model, GPTConfig)
    assert (model.layers, model.width, model.heads) == shape
    assert (model.context, model.dropout) == (512, 0.1)
    assert (config.steps, config.batch.size, config.batch.windows) == (10_000, windows, "published")
    optimizer = config.optimizer
    assert (optimizer.kind, optimizer.lr, optimizer.weight_decay, optimizer.clip) == ("adamw", 3e-4, 0.1, 1.0)
    assert (optimizer.beta1, optimizer.beta2, optimizer.eps, optimizer.decay_vectors) == (0.9, 0.999, 1e-8, True)
    schedule = config.schedule
    assert (schedule.kind, schedule.warmup, schedule.final, schedule.decay_off) == ("cosine", 500, 0.1, 1.0)
    assert (config.data.source, config.data.tokenizer, config.data.eos) == ("wikitext-103", "gpt2", "line")
    assert (config.weights.method, config.weights.embedding, config.weights.head) == (
        "pentanet-seed",
        "float32",
        "grid",
    )
    assert (config.eval_every, config.eval_random_batches, config.precision) == (500, 50, "bfloat16")
