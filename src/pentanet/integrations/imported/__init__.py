"""Checkpoints of other programs as model directories: one file for each kind, and `run` to tell them apart."""
