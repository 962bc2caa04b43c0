"""What is known of GGUF, the file format of llama.cpp: block types, tensor names, and the package that writes it."""
