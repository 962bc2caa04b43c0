"""Any model runs: a packed directory, or an original beside it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from pentanet.errors import ConfigError, UnsupportedModelError
from pentanet.integrations.gguf.export import export
from pentanet.ptq.config import QuantizeConfig
from pentanet.ptq.run import quantize
from pentanet.runtime.load import Runtime
from pentanet.runtime.sampling import Sampling
from pentanet.sources.float_network import load_float
from pentanet.sources.open import open_source
from pentanet.sources.running import generate, is_original, open_any

GREEDY = Sampling(temperature=0)


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_an_original_says_what_its_network_says(make: Callable[..., Path], family: str) -> None:
    path = make(family)
    runtime = open_any(path)
    assert isinstance(runtime, Runtime)
    ids = runtime.tokenizer.encode("the cat").ids
    expected = load_float(open_source(path))(torch.tensor([ids]))[0, -1]
    np.testing.assert_array_equal(runtime.next_logits(ids), expected.detach().numpy())
    assert "".join(generate(str(path), "the cat", 5, GREEDY)) == "".join(generate(runtime, "the cat", 5, GREEDY))


def test_an_original_ends_where_its_files_say(make: Callable[..., Path]) -> None:
    path = make()
    (path / "generation_config.json").write_text('{"eos_token_id": [7, 9]}')
    (path / "tokenizer_config.json").write_text('{"chat_template": "{{ messages[0].content }}"}')
    runtime = open_any(path)
    assert runtime.endings.stops == {7, 9}
    assert runtime.chat_template().render([{"role": "user", "content": "hi"}]) == "hi"


def test_a_gguf_file_runs_as_the_directory_that_it_was_made_of(make: Callable[..., Path], tmp_path: Path) -> None:
    pytest.importorskip("gguf")
    source = make()
    quantize(source, tmp_path / "packed", QuantizeConfig(grid="int8", group=32))
    export(tmp_path / "packed", tmp_path / "model.gguf")
    runtime = open_any(tmp_path / "model.gguf")
    ids = runtime.tokenizer.encode("the cat sat").ids
    np.testing.assert_allclose(
        runtime.next_logits(ids), open_any(tmp_path / "packed", "torch").next_logits(ids), atol=0.02
    )
    assert [is_original(tmp_path / name) for name in ("model.gguf", "llama", "packed")] == [True, True, False]


def test_what_only_packed_models_have_is_refused(make: Callable[..., Path]) -> None:
    path = make()
    with pytest.raises(UnsupportedModelError, match="is not packed"):
        open_any(path, "native")
    with pytest.raises(ConfigError, match="Leave out --activations"):
        open_any(path, activations="int8")
