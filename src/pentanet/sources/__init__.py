"""Pretrained checkpoints, read tensor by tensor: Hugging Face directories, GGUF files, and either of them rotated."""
