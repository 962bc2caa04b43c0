"""What Llama and the networks near it share: one description, which torch, the table of tensors and the engine read."""
