"""Pretrained models of Llama's shape on Hugging Face."""

from __future__ import annotations

import re

from pentanet.families.checkpoints import Checkpoints
from pentanet.families.llama.config import LlamaConfig
from pentanet.families.llama.hub import SUPERSEDED

CHECKPOINTS = Checkpoints(
    model_types=("llama", "mistral", "qwen2", "qwen3"),
    rounded=("bitnet",),
    keys=LlamaConfig.hub_keys,
    superseded=SUPERSEDED,
    constants=re.compile(r"\.rotary_emb\.inv_freq$"),
)
