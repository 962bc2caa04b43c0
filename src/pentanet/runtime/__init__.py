"""Packed models that run: load, generate."""
