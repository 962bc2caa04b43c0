"""What `import pentanet` offers, and what it costs."""

from __future__ import annotations

import ast
import inspect
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import pentanet
import pentanet.api
from pentanet.config import to_toml
from pentanet.families import config_from_hub
from pentanet.families.tensor_table import hub_shapes
from pentanet.finetuning.config import FinetuneConfig
from pentanet.ptq.config import QuantizeConfig
from pentanet.training.config import TrainConfig

EXPORTS = sorted({*pentanet.__all__} - {"__version__"})
HEAVY = ("torch", "numpy", "scipy", "tokenizers", "transformers", "rich", "pentanet.runtime", "pentanet.nn")


def python(code: str) -> str:
    """What a fresh process prints."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_importing_imports_nothing_heavy() -> None:
    assert python(f"import pentanet, sys; dir(pentanet); print([n for n in {HEAVY} if n in sys.modules])") == "[]\n"


def test_the_engine_comes_without_torch() -> None:
    assert python("import pentanet, sys; pentanet.Engine; print('torch' in sys.modules)") == "False\n"


@pytest.mark.parametrize("name", EXPORTS)
def test_every_name_is_there_in_a_fresh_process(name: str) -> None:
    code = f"from pentanet import {name} as found; import pentanet; print(found.__name__, '{name}' in dir(pentanet))"
    assert python(code) == f"{name} True\n"


def test_the_names_that_editors_see_are_those_that_come() -> None:
    """Under TYPE_CHECKING stand the same names from the same modules."""
    tree = ast.parse(Path(inspect.getfile(pentanet)).read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {alias.name: node.module for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert seen == {name: getattr(pentanet, name).__module__ for name in EXPORTS}


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'quantise'"):
        pentanet.quantise  # noqa: B018


def test_plain_strings_name_every_file(tmp_path: Path, recipe_text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a recipe to a finetuned model, with nothing but names."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PENTANET_CACHE", "cache")
    Path("text.txt").write_text("the cat sat on a mat all day\n" * 600)
    Path("recipe.toml").write_text(recipe_text)
    record = pentanet.train("recipe.toml", "run")
    packed = pentanet.api.pack("run", "model")
    assert pentanet.inspect("model") == packed
    assert pentanet.evaluate("model", precision="float32").loss == record["val_loss"]
    assert pentanet.load("model").context == 16
    assert "".join(pentanet.generate("model", "the cat", 5))
    assert "".join(token.text for token in pentanet.Engine.open("model").stream("the cat", 5))
    make_original("model", "original")
    settings = QuantizeConfig(grid="int8", group=16)
    assert pentanet.quantize("original", "quantized", settings).quantized_parameters > 0
    few = FinetuneConfig(steps=1, window=8, batch=1)
    assert pentanet.finetune("quantized", "original", "text.txt", "finetuned", few)["steps"] == 1
    assert pentanet.export("quantized", "model.gguf").bytes == Path("model.gguf").stat().st_size


@pytest.fixture
def recipe_text(configure: Callable[..., TrainConfig]) -> str:
    """A recipe whose text and tokenizer are of the folder it is used in."""
    return to_toml(configure("llama", 'data.source="text.txt"', 'data.tokenizer="bpe:270"', "data.eos=line"))


def make_original(packed: str, out: str) -> None:
    """A pretrained model with random weights and the tokenizer of a packed one."""
    sizes = json.loads(Path(packed, "config.json").read_text())
    del sizes["quantization_config"]
    config = {**sizes, "model_type": "llama"}
    shapes = hub_shapes(config_from_hub(config), config["vocab_size"])
    Path(out).mkdir()
    Path(out, "config.json").write_text(json.dumps(config))
    shutil.copy(Path(packed, "tokenizer.json"), out)
    save_file({name: 0.1 * torch.randn(shape) for name, shape in shapes.items()}, Path(out, "model.safetensors"))
