"""Llama and the networks of its shape: Qwen2, Qwen3, Mistral, and BitNet with its sub-norms."""
