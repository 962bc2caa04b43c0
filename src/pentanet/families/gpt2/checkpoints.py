"""Pretrained models of GPT-2's shape on Hugging Face."""

from __future__ import annotations

import re

from pentanet.families.checkpoints import Checkpoints
from pentanet.families.gpt2.config import ALIASES, GPT2Config

CHECKPOINTS = Checkpoints(
    model_types=("gpt2",),
    keys=GPT2Config.hub_keys,
    superseded=tuple(ALIASES),
    constants=re.compile(r"\.attn\.(masked_)?bias$"),
    transposed=re.compile(r"\.(c_attn|c_proj|c_fc)\.weight$"),  # transformers' Conv1D
    trunk="transformer",  # which the first files leave out
)
