"""Sizes of the publication's network: see `pentanet.families.gpt.network`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from pentanet.errors import ConfigError
from pentanet.families.hub_config import from_hub


@dataclass(frozen=True, kw_only=True, slots=True)
class GPTConfig:
    """Sizes of the network; the MLP is four times the width."""

    family: Literal["gpt"] = "gpt"
    layers: int = 12
    """Number of blocks."""
    width: int = 768
    """Residual width D."""
    heads: int = 12
    """Attention heads."""
    context: int = 512
    """Longest window in tokens, and number of learned positions."""
    dropout: float = 0.1
    """On the embedding, attention probabilities and both residual branches."""
    scaled_residual: bool = False
    """Start the projections into the residual smaller by sqrt(2 layers), as GPT-2 does and the publication does not."""

    def __post_init__(self) -> None:
        for name in ("layers", "width", "heads", "context"):
            if getattr(self, name) < 1:
                raise ConfigError(f"model.{name} = {getattr(self, name)}: must be at least 1")
        if self.width % self.heads:
            raise ConfigError(f"model.width {self.width} must be a multiple of model.heads {self.heads}")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"model.dropout = {self.dropout}: must lie in [0, 1)")

    @property
    def tie(self) -> bool:
        """The head and the embedding share one latent weight."""
        return True

    def hub_config(self, vocab: int) -> dict[str, Any]:
        """The config.json; no architecture of transformers has this net, so the model type is our own."""
        return {
            "architectures": ["PentaNetGPT"],
            "model_type": "pentanet-gpt",
            "vocab_size": vocab,
            "n_layer": self.layers,
            "n_embd": self.width,
            "n_head": self.heads,
            "n_positions": self.context,
            "resid_pdrop": self.dropout,
            "tie_word_embeddings": False,  # stored twice: the look-up is latent, the head is on the grid
        }

    @classmethod
    def from_hub_config(cls, config: dict[str, Any]) -> GPTConfig:
        """The inverse of `hub_config`; a missing or wrong value is a ConfigError."""
        return from_hub(cls, config, _HUB_KEYS)


_HUB_KEYS = {
    "layers": "n_layer",
    "width": "n_embd",
    "heads": "n_head",
    "context": "n_positions",
    "dropout": "resid_pdrop",
}
