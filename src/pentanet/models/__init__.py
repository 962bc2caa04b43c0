"""The networks: Llama's shape (with BitNet's sub-norms on request) and the publication's GPT are trained here; GPT-2 is
read.  Their sizes are `pentanet.shapes`.
"""

from pentanet.models.build import Network, build
from pentanet.models.gpt import GPT
from pentanet.models.gpt2 import GPT2
from pentanet.models.llama import Llama

__all__ = ["GPT", "GPT2", "Llama", "Network", "build"]
