"""Torch modules whose weights pass through a quantizer."""

from pentanet.nn.factory import Trainable, WeightFactory
from pentanet.nn.modules import (
    QuantEmbedding,
    QuantLinear,
    count_parameters,
    draw_low_rank,
    initialize_quantizers,
    learned_steps,
    method_modules,
    quantized_modules,
    set_progress,
    together,
)
from pentanet.nn.storage import STORAGES, Storage, storage_quantizer

__all__ = [
    "STORAGES",
    "QuantEmbedding",
    "QuantLinear",
    "Storage",
    "Trainable",
    "WeightFactory",
    "count_parameters",
    "draw_low_rank",
    "initialize_quantizers",
    "learned_steps",
    "method_modules",
    "quantized_modules",
    "set_progress",
    "storage_quantizer",
    "together",
]
