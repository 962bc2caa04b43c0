"""A model writes the same text on any number of threads, and what it writes is what it thinks likely."""

from __future__ import annotations

import pytest
import torch

from pentanet.kernels import native
from pentanet.ptq.config import QuantizeConfig
from pentanet.ptq.own_text import write_windows
from pentanet.ptq.run import quantize
from pentanet.runtime.load import load
from pentanet.sources.open import open_source

pytestmark = pytest.mark.skipif(not native.available(), reason="the engine was not compiled")


@pytest.fixture
def model(make, tmp_path):
    quantize(open_source(make()), tmp_path / "int8", QuantizeConfig(grid="int8"))
    return tmp_path / "int8"


def test_windows_that_a_model_writes(model):
    told = []
    found = write_windows(model, 40, 12, threads=1, progress=lambda done, total: told.append((done, total)))
    assert found.shape == (40, 12) and found.dtype == torch.int64
    assert told[-1] == (480, 480) and told == sorted(told)
    assert (found[:, 0] == load(model).tokenizer.token_to_id("<|endoftext|>")).all()
    assert len({tuple(row) for row in found.tolist()}) == 40, "each text has draws of its own"
    assert torch.equal(found, write_windows(model, 40, 12, threads=2, progress=lambda done, total: None))


def test_they_are_likely(model):
    """Drawn from a sharpened distribution, they surprise the model less than its own entropy does."""
    ids = write_windows(model, 32, 16, threads=1, progress=lambda done, total: None)
    with torch.no_grad():
        logp = load(model).network(ids)[:, :-1].log_softmax(-1)
    surprise = float(-logp.gather(2, ids[:, 1:, None]).mean())
    entropy = float(-(logp.exp() * logp).sum(-1).mean())
    assert 0.5 * entropy < surprise < entropy
