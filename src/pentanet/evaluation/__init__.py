"""Measure a packed model on text."""
