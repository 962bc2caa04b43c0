"""The networks that are trained here: Llama's shape (with BitNet's sub-norms on request) and the publication's GPT."""

from pentanet.models.build import ModelConfig, Network, build, config_from_hub
from pentanet.models.gpt import GPT, GPTConfig
from pentanet.models.llama import Llama
from pentanet.models.llama_config import LlamaConfig

__all__ = ["GPT", "GPTConfig", "Llama", "LlamaConfig", "ModelConfig", "Network", "build", "config_from_hub"]
