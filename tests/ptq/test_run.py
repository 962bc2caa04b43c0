"""From a directory to a packed model that computes what its codes say; stopped runs go on; memory stays small."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import platform
import subprocess
import sys

import numpy as np
import pytest
import torch

from pentanet.errors import ConfigError, UnknownNameError, WriteError
from pentanet.families.tensor_table import linear_names
from pentanet.format import container
from pentanet.format.model_dir import open_model
from pentanet.format.tensors import CodedSpec
from pentanet.kernels import native
from pentanet.ptq import run
from pentanet.ptq.config import QuantizeConfig
from pentanet.runtime.engine import Engine
from pentanet.runtime.engine_network import as_runtime
from pentanet.runtime.load import load
from pentanet.sources.float_network import load_float
from pentanet.sources.open import open_source

IDS = torch.arange(40).reshape(1, 40)


def digest(folder):
    return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()


@pytest.mark.parametrize("family", ["llama", "llama3", "qwen3"])
def test_the_packed_model_computes_what_its_codes_say(make, family, tmp_path, configs):
    source = open_source(make(family, shards=2))
    made = run.quantize(source, tmp_path / "out", QuantizeConfig(group=16))
    network, packed = load_float(source), open_model(tmp_path / "out")
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            coded = isinstance(packed.spec(name), CodedSpec)
            assert coded == (parameter.ndim == 2)
            values = torch.from_numpy(packed.codes(name).dequantize() if coded else packed.plain(name))
            assert torch.equal(values, parameter) == (parameter.ndim == 1)
            parameter.copy_(values)
            if coded:  # formats with float16 scales hold the same weights
                scales = packed.codes(name).scales
                assert (scales == scales.astype(np.float16)).all()
        runtime = load(tmp_path / "out")
        torch.testing.assert_close(runtime.network(IDS), network(IDS), atol=1e-5, rtol=1e-5)
    assert {layer["name"] for layer in made.layers} == set(linear_names(source.config, source.vocab))
    assert all(0.15 < layer["weight_error"] < 0.35 and layer["grid"] == "pentanary" for layer in made.layers)
    assert packed.config["model_type"] == configs[family]["model_type"]


@pytest.mark.skipif(not native.available(), reason="the engine was not compiled")
def test_the_native_engine_runs_the_same_directory(make, tmp_path):
    run.quantize(open_source(make("qwen3")), tmp_path / "out", QuantizeConfig(group=16))
    slow, fast = load(tmp_path / "out"), as_runtime(Engine.open(tmp_path / "out", threads=1))
    with torch.no_grad():
        a, b = slow.network(IDS).log_softmax(-1), fast.network(IDS).log_softmax(-1)
    assert float((a - b).abs().max()) < 0.2  # activations are int8 there
    assert float((a - b).abs().mean()) < 0.03


def test_int8_rounds_to_almost_nothing(make, tmp_path):
    source = open_source(make())
    made = run.quantize(source, tmp_path / "out", QuantizeConfig(grid="int8", embedding="float32"))
    with torch.no_grad():
        before, after = load_float(source)(IDS), load(tmp_path / "out").network(IDS)
    assert made.weight_error < 0.01
    torch.testing.assert_close(after, before, atol=0.1, rtol=0.1)


def test_a_stopped_run_goes_on_and_gives_the_same_file(make, tmp_path, monkeypatch):
    source, config = open_source(make()), QuantizeConfig(group=16)
    run.quantize(source, tmp_path / "whole", config)
    calls = []

    def stop(stage, done, total):
        calls.append(done)
        if len(calls) == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run.quantize(source, tmp_path / "out", config, progress=stop)
    assert not (tmp_path / "out").exists()
    stored = []
    original = run.store
    monkeypatch.setattr(run, "store", lambda s, name, *rest: stored.append(name) or original(s, name, *rest))
    with pytest.raises(WriteError, match="other settings"):
        run.quantize(source, tmp_path / "out", QuantizeConfig(group=8))
    run.quantize(source, tmp_path / "out", config)
    assert len(stored) == len(source.shapes) - 5
    assert digest(tmp_path / "out") == digest(tmp_path / "whole")
    assert not (tmp_path / "out.unfinished").exists()


def test_a_full_disk_says_where_the_work_waits(make, tmp_path, monkeypatch):
    source, config, written = open_source(make()), QuantizeConfig(), []
    write = container.write_tensors

    def fill(path, *rest):
        written.append(path)
        if len(written) == 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(path, *rest)

    monkeypatch.setattr(container, "write_tensors", fill)
    with pytest.raises(WriteError, match=r"out\.unfinished: not written: No space.*same command goes on"):
        run.quantize(source, tmp_path / "out", config)
    run.quantize(source, tmp_path / "out", config)
    assert len(written) == len(source.shapes) + 2  # the third twice, and the model directory


def test_a_damaged_tensor_of_a_stopped_run_is_made_again(make, tmp_path):
    source, config = open_source(make()), QuantizeConfig()

    def stop(stage, done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run.quantize(source, tmp_path / "out", config, progress=stop)
    (file,) = (tmp_path / "out.unfinished").glob("*.safetensors")
    content = bytearray(file.read_bytes())
    content[-70] ^= 1
    file.write_bytes(content)
    run.quantize(source, tmp_path / "out", config)
    open_model(tmp_path / "out")  # compares checksums


def test_a_model_that_is_there_is_not_replaced_by_accident(make, tmp_path):
    source = open_source(make())
    run.quantize(source, tmp_path / "out", QuantizeConfig())
    with pytest.raises(WriteError, match="--overwrite"):
        run.quantize(source, tmp_path / "out", QuantizeConfig())
    run.quantize(source, tmp_path / "out", QuantizeConfig(grid="ternary"), overwrite=True)
    assert open_model(tmp_path / "out").spec("model.layers.0.mlp.up_proj.weight").grid.name == "ternary"


@pytest.mark.parametrize(
    ("settings", "error"),
    [({"method": "rnt"}, UnknownNameError), ({"grid": "penta"}, UnknownNameError), ({"group": -1}, ConfigError)],
)
def test_settings_that_cannot_work(settings, error):
    with pytest.raises(error):
        QuantizeConfig(**settings)


WRITE = """
import json, sys, torch
from pathlib import Path
from safetensors.torch import save_file
from pentanet.families import config_from_hub
from pentanet.families.tensor_table import hub_shapes
folder, config = Path(sys.argv[1]), json.loads(sys.argv[2])
where = {}
for i, (name, shape) in enumerate(hub_shapes(config_from_hub(config), config["vocab_size"]).items()):
    where[name] = f"model-{i:05d}.safetensors"
    save_file({name: torch.full(shape, 0.5) if len(shape) == 1 else torch.randn(shape)}, folder / where[name])
(folder / "config.json").write_text(json.dumps(config))
(folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": where}))
"""
QUANTIZE = """
import resource, sys
from pathlib import Path
import torch
from pentanet.ptq.config import QuantizeConfig
from pentanet.sources.float_network import load_float
from pentanet.ptq.run import quantize
from pentanet.sources.open import open_source
torch.set_num_threads(1)
source = open_source(Path(sys.argv[1]))
lines = dict(line.split(":") for line in open("/proc/self/status"))
limit = int(lines["VmData"].split()[0]) * 1024 + 2 * 4 * 16384 * 512
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
config = QuantizeConfig(method=sys.argv[3], rotate=sys.argv[4] == "rotated")
quantize(source, Path(sys.argv[2]), config, workers=8)
try:
    load_float(source)
except (MemoryError, RuntimeError):
    print("the whole model does not fit")
"""


@pytest.mark.slow
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs /proc, and another allocator keeps more")
def test_memory_is_bounded_by_the_largest_tensor(tmp_path, configs):
    """190 MB of float32 weights under a limit of twice their largest tensor, 34 MB, beyond what is mapped.

    With as many workers as a machine of eight cores takes by default.
    """
    sizes = {"hidden_size": 512, "intermediate_size": 2048, "num_hidden_layers": 10, "vocab_size": 16384}
    subprocess.run([sys.executable, "-c", WRITE, tmp_path, json.dumps({**configs["llama"], **sizes})], check=True)
    for how in (("rtn", "as it is"), ("rtn", "rotated"), ("ptqtp", "as it is")):
        command = [sys.executable, "-c", QUANTIZE, str(tmp_path), str(tmp_path / "out" / " ".join(how)), *how]
        found = subprocess.run(command, check=False, capture_output=True, text=True)
        assert found.stdout == "the whole model does not fit\n", (how, found.stderr)
