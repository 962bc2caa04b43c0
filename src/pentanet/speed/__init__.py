"""What the native engine reaches of what the machine can do: kernels, whole models, and stock llama.cpp beside them."""

from pentanet.speed.run import Progress, speed
from pentanet.speed.settings import MODELS, Settings, speed_settings

__all__ = ["MODELS", "Progress", "Settings", "speed", "speed_settings"]
