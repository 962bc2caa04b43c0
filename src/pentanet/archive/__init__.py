"""A model directory as one file of as few bytes as its statistics allow, and back."""
