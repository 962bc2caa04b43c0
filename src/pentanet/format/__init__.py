"""The packed model directory: layouts, header, container, reader and writer. Nothing here imports torch."""
