"""From training to the packed file, and back to the loss: the gap is zero, for every method and network."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pentanet.data.dataset import Dataset
from pentanet.errors import CheckpointError, MissingFileError, UnknownNameError, UnpackableError, WriteError
from pentanet.evaluation.perplexity import evaluate
from pentanet.format.model_dir import open_model
from pentanet.format.tensors import CodedSpec, PlainSpec
from pentanet.linear_options import ACTIVATIONS
from pentanet.nn import STORAGES, set_progress
from pentanet.nn.precision import Precision, autocast
from pentanet.quant import METHODS
from pentanet.runtime.load import load
from pentanet.training.checkpoint import load as load_checkpoint
from pentanet.training.config import TrainConfig
from pentanet.training.loop import Progress, new_network
from pentanet.training.pack import export_tensors, pack
from pentanet.training.run import Interrupted, train

Configure = Callable[..., TrainConfig]

NETWORKS = {
    "bitnet": ("llama", "model.sub_norms=true"),
    "llama": ("llama", "model.sub_norms=false"),
    "bitnet-tied": ("llama", "model.sub_norms=true", "model.tie=true", "weights.embedding=grid", "weights.head=grid"),
    "llama-tied": ("llama", "model.sub_norms=false", "model.tie=true"),
    "gpt": ("gpt", "model.dropout=0.1", "weights.embedding=float32", "weights.head=grid"),
}
SHORT = ("steps=2", "eval_every=2", "eval_tokens=64", "model.layers=1", "optimizer.lr=0.05")


def stop_at(step: int) -> Callable[[Progress], None]:
    return lambda now: signal.raise_signal(signal.SIGTERM) if now.step == step else None


def assert_no_gap(config: TrainConfig, dataset: Dataset, folder: Path) -> None:
    record = train(config, folder / "run", dataset)
    pack(folder / "run", folder / "model")
    runtime = load(folder / "model")
    measured = evaluate(runtime, dataset, precision=record["precision"])
    assert measured.loss == record["val_loss"]
    assert measured.bits_per_byte == record["bits_per_byte"]
    assert measured.tokens == dataset.tokens("valid") - 1
    # Not only the sum: every logit, of a batch that no training has seen.
    network = new_network(config, dataset.vocab).eval()
    saved = load_checkpoint(folder / "run" / record["checkpoint_dir"]).weights
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            parameter.copy_(saved[name])
    set_progress(network, 1.0)
    ids = torch.randint(dataset.vocab, (2, 11), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode(), autocast(torch.device("cpu"), record["precision"]):
        assert torch.equal(network(ids), runtime.network(ids))


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("network", ["bitnet", "llama-tied", "gpt"])
@pytest.mark.parametrize("method", METHODS)
def test_no_gap_for_any_method(
    configure: Configure, tiny: Dataset, tmp_path: Path, method: str, network: str, precision: Precision
) -> None:
    config = configure(*NETWORKS[network], *SHORT, f"weights.method={method}", f"precision={precision}")
    assert_no_gap(config, tiny, tmp_path)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("network", ["bitnet", "bitnet-tied", "gpt"])
@pytest.mark.parametrize("activations", [kind for kind in ACTIVATIONS if kind != "none"])
def test_no_gap_for_any_activations(
    configure: Configure, tiny: Dataset, tmp_path: Path, activations: str, network: str, precision: Precision
) -> None:
    settings = (*NETWORKS[network], *SHORT, f"weights.activations={activations}", f"precision={precision}")
    assert_no_gap(configure(*settings), tiny, tmp_path)
    assert open_model(tmp_path / "model").activations == activations


@pytest.mark.parametrize("method", ["pentanary", "lsq-pentanary", "tequila", "sherry", "quest-hadamard-ternary"])
def test_no_gap_after_a_late_start(configure: Configure, tiny: Dataset, tmp_path: Path, method: str) -> None:
    late = ("steps=4", "weights.start=0.3", "weights.anneal=0.7")
    settings = (*NETWORKS["bitnet-tied"], *SHORT, *late, f"weights.method={method}")
    assert_no_gap(configure(*settings), tiny, tmp_path)


def test_full_precision_has_no_linears_to_round_in_front_of(
    configure: Configure, tiny: Dataset, tmp_path: Path
) -> None:
    settings = ("weights.method=full-precision", "weights.activations=elastic2")
    assert_no_gap(configure("llama", *SHORT, *settings), tiny, tmp_path)
    assert open_model(tmp_path / "model").activations == "none"


def test_a_bias_of_the_method_is_stored(configure: Configure, tiny: Dataset, tmp_path: Path) -> None:
    train(configure("llama", *SHORT, "weights.method=tequila"), tmp_path / "run", tiny)
    pack(tmp_path / "run", tmp_path / "model")
    model = open_model(tmp_path / "model")
    bias = model.bias("model.layers.0.mlp.up_proj.weight")
    assert bias is not None
    assert bias.shape == (40,)
    assert bias.any()
    assert model.bias("lm_head.weight") is None  # int8 by default: not under the method


@pytest.mark.parametrize("network", ["llama", "bitnet-tied"])
@pytest.mark.parametrize("method", ["pentanary", "lsq-pentanary", "tequila", "sherry"])
def test_no_gap_for_any_network(configure: Configure, tiny: Dataset, tmp_path: Path, method: str, network: str) -> None:
    assert_no_gap(configure(*NETWORKS[network], *SHORT, f"weights.method={method}"), tiny, tmp_path)


@pytest.mark.parametrize("family", ["llama", "gpt"])
@pytest.mark.parametrize(
    ("embedding", "head"), [*((each, each) for each in STORAGES), ("int8", "grid"), ("grid", "bfloat16")]
)
def test_no_gap_for_any_storage(
    configure: Configure, tiny: Dataset, tmp_path: Path, family: str, embedding: str, head: str
) -> None:
    settings = (f"weights.embedding={embedding}", f"weights.head={head}", "weights.method=lsq-pentanary")
    assert_no_gap(configure(family, *SHORT, *settings), tiny, tmp_path)


@pytest.mark.parametrize("storage", STORAGES)
def test_no_gap_for_any_tied_storage(configure: Configure, tiny: Dataset, tmp_path: Path, storage: str) -> None:
    settings = ("model.tie=true", f"weights.embedding={storage}", f"weights.head={storage}")
    assert_no_gap(configure("llama", *SHORT, *settings, "weights.method=lsq-pentanary"), tiny, tmp_path)


@pytest.fixture(autouse=True)
def _without_flushing(monkeypatch: pytest.MonkeyPatch) -> None:
    """There are many runs here, and whether they survive a loss of power is tested elsewhere."""
    monkeypatch.setattr("os.fsync", lambda _: None)


@pytest.fixture
def run(configure: Configure, tiny: Dataset, tmp_path: Path) -> Path:
    train(configure("llama", *SHORT), tmp_path / "run", tiny)
    return tmp_path / "run"


def test_what_is_stored_and_how(configure: Configure, tiny: Dataset, tmp_path: Path, run: Path) -> None:
    found = pack(run, tmp_path / "model")
    model = open_model(tmp_path / "model")
    block = "model.layers.0."
    linears = {f"{block}self_attn.{x}_proj.weight" for x in "qkvo"} | {
        f"{block}mlp.{x}_proj.weight" for x in ("gate", "up", "down")
    }
    norms = {f"{block}{x}_layernorm.weight" for x in ("input", "post_attention")} | {"model.norm.weight"}
    norms |= {f"{block}self_attn.attn_sub_norm.weight", f"{block}mlp.ffn_sub_norm.weight"}
    ends = {"model.embed_tokens.weight", "lm_head.weight"}
    assert set(model.names) == linears | norms | ends
    for name in model.names:
        spec = model.spec(name)
        if name in norms:
            assert spec == PlainSpec((32,) if "ffn" not in name else (40,), "float32")
        else:
            assert isinstance(spec, CodedSpec)
            assert (spec.layout, spec.grid.name) == (
                ("pentanary-7bit", "pentanary") if name in linears else ("byte", "int8")
            )
            assert spec.scales == (spec.shape[0], 1)
    record = json.loads((run / "record.json").read_text())
    assert (found.parameters, found.quantized_parameters) == (record["parameters"], record["quantized_parameters"])
    assert found.zero_fraction == record["zero_fraction"]
    assert (tmp_path / "model/tokenizer.json").read_bytes() == (tiny.path / "tokenizer.json").read_bytes()
    assert model.config["model_type"] == "bitnet"
    assert (model.config["bos_token_id"], model.config["eos_token_id"]) == (tiny.eos_id, tiny.eos_id)
    card = (tmp_path / "model/README.md").read_text(encoding="utf-8")
    assert f"| Validation loss, nats per token | {record['val_loss']:.4f} |" in card


def test_a_tied_matrix_is_stored_once(configure: Configure, tiny: Dataset) -> None:
    tied = new_network(configure("llama", "model.tie=true"), tiny.vocab)
    assert "lm_head.weight" not in export_tensors(tied)
    # The publication's head and look-up share a latent weight and are stored in two forms.
    gpt = new_network(configure("gpt", "weights.embedding=float32", "weights.head=grid"), tiny.vocab)
    tensors = export_tensors(gpt)
    assert isinstance(tensors["lm_head.weight"].spec, CodedSpec)
    assert tensors["transformer.wte.weight"].spec == PlainSpec((tiny.vocab, 32), "float32")


def test_learned_steps_are_scales_and_no_tensors_of_their_own(configure: Configure, tiny: Dataset) -> None:
    network = new_network(configure("llama", "weights.method=lsq-pentanary"), tiny.vocab)
    tensors = export_tensors(network)
    assert not [name for name in tensors if "quantizer" in name]
    step = network.get_parameter("model.layers.0.mlp.up_proj.quantizer.log_step").detach().exp()
    tensor: Any = tensors["model.layers.0.mlp.up_proj.weight"]
    np.testing.assert_array_equal(tensor.codes.scales, step.squeeze(-1))


def test_a_layout_by_name(tmp_path: Path, run: Path) -> None:
    dense = pack(run, tmp_path / "dense")
    wide = pack(run, tmp_path / "wide", layout="byte")
    assert open_model(tmp_path / "wide").spec("model.layers.0.mlp.up_proj.weight").storage == "byte"
    assert wide.bytes > dense.bytes
    ids = torch.arange(9)[None]
    with torch.inference_mode():
        assert torch.equal(load(tmp_path / "dense").network(ids), load(tmp_path / "wide").network(ids))
    with pytest.raises(UnpackableError):
        pack(run, tmp_path / "no", layout="ternary-5in8")
    with pytest.raises(UnknownNameError, match=r"'pentanary-7bits'.*Did you mean 'pentanary-7bit'"):
        pack(run, tmp_path / "no", layout="pentanary-7bits")
    assert not (tmp_path / "no").exists()


def test_where_a_model_may_go(tmp_path: Path, run: Path) -> None:
    pack(run, tmp_path / "model")
    with pytest.raises(WriteError, match="not empty"):
        pack(run, tmp_path / "model")
    pack(run, tmp_path / "model", overwrite=True)


def test_without_a_run_or_a_checkpoint(tmp_path: Path, run: Path) -> None:
    with pytest.raises(MissingFileError, match="Not a training run"):
        pack(tmp_path / "nothing", tmp_path / "model")
    for path in (run / "checkpoints").iterdir():
        (path / "state.json").unlink()
    warnings: list[str] = []
    with pytest.raises(CheckpointError, match="every checkpoint is damaged"):
        pack(run, tmp_path / "model", warn=warnings.append)
    assert len(warnings) == 1
    for path in (run / "checkpoints").iterdir():
        path.rename(tmp_path / path.name)
    with pytest.raises(CheckpointError, match="no checkpoint yet; 'pentanet train' continues the run"):
        pack(run, tmp_path / "model")


def test_an_unfinished_run_is_packed_as_far_as_it_came(configure: Configure, tiny: Dataset, tmp_path: Path) -> None:
    config = configure("llama", *SHORT, "checkpoint_every=1")
    with pytest.raises(Interrupted):
        train(config, tmp_path / "run", tiny, progress=stop_at(1))
    pack(tmp_path / "run", tmp_path / "model")
    assert evaluate(load(tmp_path / "model"), tiny).loss > 0
    card = (tmp_path / "model/README.md").read_text(encoding="utf-8")
    assert "| Training tokens | 32 |" in card
    assert "Validation loss" not in card


def test_the_card_claims_nothing_of_other_weights(configure: Configure, tiny: Dataset, tmp_path: Path) -> None:
    """With the last checkpoint damaged an earlier one is packed; the loss in the record is not its."""
    run = tmp_path / "run"
    record = train(configure("llama", *SHORT, "checkpoint_every=1"), run, tiny)
    assert record["checkpoint_dir"] == "checkpoints/step_00000002"
    (run / record["checkpoint_dir"] / "state.json").write_text("{}")
    warnings: list[str] = []
    pack(run, tmp_path / "model", warn=warnings.append)
    assert "step_00000002" in warnings[0]
    assert "Validation loss" not in (tmp_path / "model/README.md").read_text(encoding="utf-8")
    assert evaluate(load(tmp_path / "model"), tiny).loss != record["val_loss"]
