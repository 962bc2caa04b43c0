"""Pretrained models of GPT-2's shape on Hugging Face."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from pentanet.families.checkpoints import Checkpoints

_DEFAULTS: Mapping[str, Any] = MappingProxyType(
    {"n_inner": None, "layer_norm_epsilon": 1e-5, "tie_word_embeddings": True}
)
"""Of transformers' configuration class: what a key means that is not there."""


def _complete(config: Mapping[str, Any]) -> dict[str, Any]:
    return {**_DEFAULTS, **config}


CHECKPOINTS = Checkpoints(
    model_types=("gpt2",),
    complete=_complete,
    constants=re.compile(r"\.attn\.(masked_)?bias$"),
    transposed=re.compile(r"\.(c_attn|c_proj|c_fc)\.weight$"),  # transformers' Conv1D
    trunk="transformer",  # which the first files leave out
)
