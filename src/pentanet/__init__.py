"""Language models with five-level weights: train, pack, run and measure them."""

__version__ = "0.1.0"
