"""Stock llama.cpp reads what we write: the same tokens, and logits as close as its rounding of activations allows.

Compiling llama.cpp takes ten minutes, so this runs only where somebody installed llama-cpp-python (extra `llama`).
"""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch

from pentanet.families.rope import Llama3Rope
from pentanet.integrations.gguf.export import export
from pentanet.runtime.load import load

pytestmark = pytest.mark.slow
llama_cpp = pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed: extra 'llama'")

TEXT = "the cat's 42 songs  sang\n\nall day, na\u00efve \u6771\u4eac mats!!"


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"method": "ternary"},
        {"method": "ternary", "ternary": "TQ1_0"},
        {"method": "tequila"},
        {"width": 96, "heads": 2, "kv_heads": 1, "hidden": 352},
        {"qk_norm": True, "head_dim": 32},
        {"tie": True, "embedding": "bfloat16", "head": "bfloat16"},
        {"rope": Llama3Rope(factor=8.0, original_max_position_embeddings=16)},
    ],
    ids=lambda s: " ".join(map(str, s)) or "plain",
)
def test_llama_cpp_says_what_we_say(make, tmp_path, settings):
    settings = dict(settings)
    ternary = settings.pop("ternary", "TQ2_0")
    model, out = make(**settings), tmp_path / "out.gguf"
    export(model, out, ternary=ternary)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the wrapper's own
        theirs = llama_cpp.Llama(str(out), n_ctx=64, logits_all=True, verbose=False, n_threads=1)
        ids = theirs.tokenize(TEXT.encode(), add_bos=False, special=False)
        ours = load(model)
        assert ids == ours.tokenizer.encode(TEXT, add_special_tokens=False).ids
        theirs.eval(ids)
        found = torch.from_numpy(np.array(theirs.scores[: len(ids)]))
        theirs.close()
    with torch.inference_mode():
        expected = ours.network(torch.tensor([ids]))[0]
    difference = (found - expected).norm() / expected.norm()
    assert difference < 0.03
