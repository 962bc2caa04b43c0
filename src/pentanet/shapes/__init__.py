"""Sizes of networks, as config.json has them, and the tensors that follow from them: all that opening a model needs.

Nothing here imports torch.
"""

from pentanet.shapes.family import ModelConfig, TrainedConfig, config_from_hub
from pentanet.shapes.gpt import GPTConfig
from pentanet.shapes.gpt2 import GPT2Config
from pentanet.shapes.llama import LlamaConfig

__all__ = ["GPT2Config", "GPTConfig", "LlamaConfig", "ModelConfig", "TrainedConfig", "config_from_hub"]
