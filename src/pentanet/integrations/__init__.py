"""Other programs: GGUF for llama.cpp, Hugging Face transformers, lm-evaluation-harness, and checkpoints of BitNet."""
