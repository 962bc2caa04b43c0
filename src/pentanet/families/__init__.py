"""Sizes of networks, as config.json has them, and the tensors that follow from them: all that opening a model needs.

Nothing here imports torch.
"""

from pentanet.families.gpt.config import GPTConfig
from pentanet.families.gpt2.config import GPT2Config
from pentanet.families.llama.config import LlamaConfig
from pentanet.families.registry import ModelConfig, TrainedConfig, config_from_hub

__all__ = ["GPT2Config", "GPTConfig", "LlamaConfig", "ModelConfig", "TrainedConfig", "config_from_hub"]
