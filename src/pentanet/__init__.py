"""Language models with five-level weights: train, pack, run and measure them."""

from pentanet.integrations import hook

__version__ = "0.1.0"

hook.install()
