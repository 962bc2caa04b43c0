"""The networks: Llama's shape (with BitNet's sub-norms on request) and the publication's GPT are trained here; GPT-2 is
read.
"""

from pentanet.models.build import ModelConfig, Network, TrainedConfig, build, config_from_hub
from pentanet.models.gpt import GPT, GPTConfig
from pentanet.models.gpt2 import GPT2, GPT2Config
from pentanet.models.llama import Llama
from pentanet.models.llama_config import LlamaConfig

__all__ = [
    "GPT",
    "GPT2",
    "GPT2Config",
    "GPTConfig",
    "Llama",
    "LlamaConfig",
    "ModelConfig",
    "Network",
    "TrainedConfig",
    "build",
    "config_from_hub",
]
