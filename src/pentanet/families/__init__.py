"""Network families, one folder each: sizes, tensors, the torch network, the native engine's model, and names elsewhere.

Importing this package does not import torch.
"""

from pentanet.families.canonical import canonical_config
from pentanet.families.family import Family, ModelConfig, TrainedConfig
from pentanet.families.gpt2.config import GPT2Config, GPTConfig
from pentanet.families.llama.config import LlamaConfig
from pentanet.families.registry import FAMILIES, config_from_hub, family_of

__all__ = [
    "FAMILIES",
    "Family",
    "GPT2Config",
    "GPTConfig",
    "LlamaConfig",
    "ModelConfig",
    "TrainedConfig",
    "canonical_config",
    "config_from_hub",
    "family_of",
]
