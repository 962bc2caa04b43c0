"""What transformers asks of a model's sizes, and cannot know of packed matrices, which are no parameters to it."""

from __future__ import annotations

from typing import Any

from pentanet.errors import ModelConfigError
from pentanet.integrations.hf.modules import PackedEmbedding, PackedWeight, TiedHead


def num_parameters(model: Any, only_trainable: bool = False, exclude_embeddings: bool = False) -> int:
    """Number of weights, packed ones too.

    Args:
        model: the model.
        only_trainable: those that get gradients, which no packed one does.
        exclude_embeddings: leave out the embedding.
    """
    plain: int = type(model).num_parameters(model, only_trainable, exclude_embeddings)
    packed = sum(
        module.spec.parameters
        for module in model.modules()
        if isinstance(module, PackedWeight) and not (exclude_embeddings and isinstance(module, PackedEmbedding))
    )
    return plain if only_trainable else plain + packed


def resize_token_embeddings(model: Any, new_num_tokens: int | None = None, *others: Any, **more: Any) -> Any:
    """Give a model another number of tokens, where its embedding and head are plain.

    Raises:
        ModelConfigError: they are packed: rows that nobody rounded have no place in them.
    """
    embedding, head = model.get_input_embeddings(), model.get_output_embeddings()
    if not isinstance(embedding, PackedEmbedding) and not isinstance(head, PackedWeight | TiedHead):
        return type(model).resize_token_embeddings(model, new_num_tokens, *others, **more)
    if others or more or new_num_tokens not in (None, model.config.get_text_config().vocab_size):
        raise ModelConfigError(
            f"resize_token_embeddings: the embedding or the head of this {type(model).__name__} is packed, so it keeps "
            "its size. Resize the original, then quantize it"
        )
    return embedding
