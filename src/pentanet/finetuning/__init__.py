"""Distillation of an original model into its quantized copy."""
