"""GPT-2, and the network of the PentaNet publication, which has its shape."""
