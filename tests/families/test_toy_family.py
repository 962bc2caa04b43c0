"""A family of a user's own: what it needs is in this file, and one line of the registry.

The toy has two input streams, mixed by a learned share, and a skip connection around its middle, as a U-Net has.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pentanet.config import from_tree
from pentanet.data.dataset import Dataset
from pentanet.errors import ConfigError, ExportError, PentaNetError, UnsupportedModelError
from pentanet.evaluation.perplexity import evaluate
from pentanet.families import FAMILIES, Family, LlamaConfig, config_from_hub
from pentanet.families.build import build
from pentanet.families.hub_config import from_hub
from pentanet.families.network import FamilyNetwork
from pentanet.families.table_builder import TableBuilder
from pentanet.families.tensor_table import linear_names, tensor_table
from pentanet.format.model_dir import open_model
from pentanet.integrations.gguf.export import export
from pentanet.nn import Trainable, WeightFactory, quantized_modules
from pentanet.runtime.inspect import inspect
from pentanet.runtime.load import load
from pentanet.runtime.modules import Packed, PackedMatrix
from pentanet.runtime.predictor import open_predictor
from pentanet.runtime.sampling import Sampling
from pentanet.sources.running import generate
from pentanet.training.config import OptimizerConfig, ScheduleConfig, TrainConfig
from pentanet.training.optimizers import Optimizer
from pentanet.training.pack import pack
from pentanet.training.run import read_config, train

_KEYS = {"levels": "toy_levels", "width": "toy_width", "context": "toy_context"}


@dataclass(frozen=True, kw_only=True, slots=True)
class ToyConfig:
    """Sizes of the toy: `levels` going down, one in the middle, `levels` coming up."""

    family: Literal["toy"] = "toy"
    levels: int = 2
    width: int = 32
    context: int = 16

    @property
    def layers(self) -> int:
        return 2 * self.levels + 1

    @property
    def hidden(self) -> int:
        return self.width

    def hub_config(self, vocab: int) -> dict[str, Any]:
        sizes = {key: getattr(self, name) for name, key in _KEYS.items()}
        return {"architectures": ["Toy"], "model_type": "toy-unet", "vocab_size": vocab, **sizes}

    @classmethod
    def from_hub_config(cls, config: Mapping[str, Any]) -> ToyConfig:
        return from_hub(cls, config, _KEYS)


class Toy(FamilyNetwork[ToyConfig]):
    """Causal: each token sees the mean of what came before it, on its way down, across and up again."""

    def __init__(self, config: ToyConfig, vocab: int, make: WeightFactory) -> None:
        super().__init__(config, vocab)
        self.tokens, self.pairs = make.embedding(vocab, config.width), make.embedding(vocab, config.width)
        self.mix = nn.Parameter(torch.zeros(config.width))
        self.blocks = nn.ModuleList(make.linear(config.width, config.width) for _ in range(config.layers))
        self.out = make.head(config.width, vocab, None)

    def forward(self, ids_BT: Tensor) -> Tensor:
        before = torch.cat((ids_BT[:, :1], ids_BT[:, :-1]), 1)  # the second stream: the token before each
        share = self.mix.sigmoid()
        x = share * self.tokens(ids_BT) + (1 - share) * self.pairs(before)
        skipped: list[Tensor] = []
        for i, block in enumerate(self.blocks):
            if i > self.config.levels:
                x = x + skipped.pop()
            seen = x.cumsum(1) / torch.arange(1, x.shape[1] + 1)[:, None]
            x = x + block(seen).relu()
            if i < self.config.levels:
                skipped.append(x)
        return self.out(x)

    def initialize(self, generator: torch.Generator) -> None:
        for _, module in quantized_modules(self):
            module.draw(module.weight.shape[1] ** -0.5, generator)
            module.quantizer.initialize(module.weight)


def _tensors(table: TableBuilder, config: ToyConfig, vocab: int) -> None:
    table.matrix("tokens", vocab, config.width)
    table.matrix("pairs", vocab, config.width)
    table.vector("mix", config.width)
    for i in range(config.layers):
        table.linear(f"blocks.{i}", config.width, config.width)
    table.matrix("out", vocab, config.width)


TOY = Family(
    name="toy",
    config=ToyConfig,
    model_types=("toy-unet",),
    tensors=_tensors,
    embedding="tokens",
    head="out",
    network=Toy,
    check_training=lambda config: None,
)


@pytest.fixture(scope="module", autouse=True)
def registered() -> Iterator[None]:
    """The one line of the registry."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(FAMILIES, TOY.name, TOY)
        yield


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, tiny: Dataset) -> Path:
    """A run of the toy."""
    pairs = {"steps": 30, "eval_every": 30, "precision": "float32", "device": "cpu", "batch": {"size": 4}}
    optimizer = {"kind": "adamw", "lr": 0.01}
    config = from_tree(TrainConfig, {**pairs, "optimizer": optimizer, "model": {"family": "toy"}}, "toy")
    folder = tmp_path_factory.mktemp("toy") / "run"
    train(config, folder, tiny)
    return folder


@pytest.fixture(scope="module")
def model(run: Path) -> Path:
    """The packed toy."""
    pack(run, run.parent / "model")
    return run.parent / "model"


def test_it_trains(run: Path, tiny: Dataset) -> None:
    config = read_config(run)
    assert config.model == ToyConfig()
    record = train(config, run, tiny)  # finished: its record
    assert record["val_loss"] < 0.8 * np.log(tiny.vocab)


def test_it_packs_and_loads_without_a_loss(run: Path, model: Path, tiny: Dataset) -> None:
    record = train(read_config(run), run, tiny)
    assert evaluate(load(model), tiny, precision="float32").loss == record["val_loss"]


def test_it_generates_in_torch(model: Path) -> None:
    chosen = open_predictor(model, "auto")
    assert not hasattr(chosen, "isa"), "the native engine took a family that it does not have"
    assert "".join(generate(chosen, "the", 8, Sampling(temperature=0)))


def test_it_is_inspected(model: Path) -> None:
    found = inspect(model)
    assert found.quantized_parameters == 5 * 32 * 32
    assert {row.name for row in found.rows} == set(tensor_table(ToyConfig(), open_model(model).config["vocab_size"]))


def test_the_native_engine_refuses_it_by_name(model: Path) -> None:
    pytest.importorskip("pentanet._native")
    with pytest.raises(UnsupportedModelError, match="the native engine has no family 'toy'"):
        open_predictor(model, "native")


def test_its_export_is_refused_by_name(model: Path, tmp_path: Path) -> None:
    pytest.importorskip("gguf")
    with pytest.raises(ExportError, match="networks of the family 'toy' are not exported"):
        export(model, tmp_path / "toy.gguf")


def test_a_tensor_that_is_not_in_its_table_is_found(model: Path) -> None:
    packed = open_model(model)
    config = config_from_hub(packed.config | {"toy_levels": 3})
    assert set(tensor_table(config, 270)) - set(packed.names) == {"blocks.5.weight", "blocks.6.weight"}
    assert linear_names(config, 270) == [f"blocks.{i}.weight" for i in range(7)]


def test_the_table_is_that_of_the_network() -> None:
    network = build(ToyConfig(), 11, Packed(), "meta")
    built = {f"{name}.weight": m.shape for name, m in network.named_modules() if isinstance(m, PackedMatrix)}
    built |= {name: tuple(p.shape) for name, p in network.named_parameters()}
    assert {name: entry.shape for name, entry in tensor_table(ToyConfig(), 11).items()} == built


def test_its_blocks_take_muon_and_its_head_does_not() -> None:
    network = build(ToyConfig(), 11, Trainable("ternary"))
    muon = Optimizer(network, OptimizerConfig(kind="muon"), ScheduleConfig(), 10).parts[0]
    named = {id(p): name for name, p in network.named_parameters()}
    assert {named[id(p)] for group in muon.param_groups for p in group["params"]} == {
        f"blocks.{i}.weight" for i in range(5)
    }


def test_llama_stays_the_family_where_none_is_named() -> None:
    assert isinstance(from_tree(TrainConfig, {"model": {"layers": 3}}, "toy").model, LlamaConfig)


def test_sizes_of_no_family_are_refused() -> None:
    @dataclass(frozen=True, kw_only=True, slots=True)
    class Stray(ToyConfig):
        pass

    with pytest.raises(ConfigError, match="Stray: of no network family; known: llama, gpt2, gpt, toy"):
        build(Stray(), 11, Trainable("ternary"))


def test_a_family_without_training_is_not_trained() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(FAMILIES, "toy", replace(TOY, check_training=None))
        with pytest.raises(PentaNetError, match="'toy': networks of this family are read, not trained"):
            TrainConfig(model=ToyConfig())
        with pytest.raises(ConfigError, match="'toy' is not one of its values"):
            from_tree(TrainConfig, {"model": {"family": "toy"}}, "toy")
