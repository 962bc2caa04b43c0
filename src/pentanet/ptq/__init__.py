"""Quantize pretrained models after their training."""
