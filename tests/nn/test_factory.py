"""Which module training gets for each weight."""

from __future__ import annotations

import pytest
import torch

from pentanet.errors import UnknownNameError
from pentanet.nn import QuantEmbedding, QuantLinear, Trainable
from pentanet.quant.learned_step import LearnedStepQuantizer
from pentanet.quant.uniform import Cast, UniformQuantizer


def test_shapes_and_quantizers() -> None:
    make = Trainable("lsq-pentanary", embedding="int8", head="bfloat16")
    linear, embedding, head = make.linear(3, 5), make.embedding(11, 3), make.head(3, 11, None)
    assert isinstance(linear, QuantLinear)
    assert isinstance(embedding, QuantEmbedding)
    assert (linear.weight.shape, embedding.weight.shape, head.weight.shape) == ((5, 3), (11, 3), (11, 3))
    assert isinstance(linear.quantizer, LearnedStepQuantizer)
    assert isinstance(embedding.quantizer, UniformQuantizer)
    assert embedding.quantizer.grid.name == "int8"
    assert isinstance(head.quantizer, Cast)
    assert head.quantizer.dtype == torch.bfloat16
    assert (linear.by_method, embedding.by_method, head.by_method) == (True, False, False)


def test_storage_on_the_grid_is_under_the_method() -> None:
    make = Trainable("ternary", embedding="grid", head="grid")
    assert make.embedding(11, 3).by_method
    assert make.head(3, 11, None).by_method


def test_a_tied_head_shares_the_latent_weight_and_an_equal_storage() -> None:
    make = Trainable("lsq-pentanary", embedding="grid", head="grid")
    embedding = make.embedding(11, 3)
    head = make.head(3, 11, embedding)
    assert head.weight is embedding.weight
    assert head.quantizer is embedding.quantizer  # one matrix in the file: its learned steps are one, too
    assert make.head(3, 11, None).weight is not embedding.weight


def test_the_publication_looks_up_the_latent_and_multiplies_by_the_grid() -> None:
    make = Trainable("pentanet-seed", embedding="float32", head="grid")
    embedding = make.embedding(11, 3)
    head = make.head(3, 11, embedding)
    embedding.draw(1.0, torch.Generator().manual_seed(0))
    assert head.weight is embedding.weight
    assert torch.equal(embedding.used_weight(), embedding.weight)
    assert len(head.used_weight().unique()) <= 5


def test_unknown_names() -> None:
    with pytest.raises(UnknownNameError, match="unknown method 'pentanari'"):
        Trainable("pentanari").linear(2, 2)
    with pytest.raises(UnknownNameError, match="unknown storage 'int9'"):
        Trainable("ternary", embedding="int9").embedding(2, 2)
    with pytest.raises(UnknownNameError, match="unknown storage 'int9'"):
        Trainable("ternary", head="int9").head(2, 2, None)
