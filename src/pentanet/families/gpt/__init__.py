"""The GPT of the PentaNet publication."""
