"""How embeddings and heads are stored."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pentanet.codes import Codes
from pentanet.errors import UnknownNameError
from pentanet.nn import STORAGES, storage_quantizer
from pentanet.quant import METHODS


def weight(cols: int = 7) -> torch.Tensor:
    return torch.randn(9, cols, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("method", METHODS)
def test_what_training_uses_is_what_is_stored(storage: str, method: str) -> None:
    made = storage_quantizer(storage, method)
    latent = weight(7 * METHODS[method].multiple)
    made.initialize(latent)
    exported = made.export(latent)
    stored = exported.dequantize() if isinstance(exported, Codes) else exported
    used = made.fake(latent, 1.0).detach().numpy()
    np.testing.assert_array_equal(used.view(np.int32), stored.view(np.int32))


def test_precision_of_each_storage() -> None:
    def error(storage: str) -> float:
        made = storage_quantizer(storage, "pentanary")
        return float((made.fake(weight(), 0.0) - weight()).detach().abs().max())

    assert error("float32") == 0
    assert 0 < error("bfloat16") < 2**-7
    assert 0 < error("int8") < 0.5 * 3 / 127
    assert error("grid") > 0.1


def test_an_unknown_storage_names_its_neighbour() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown storage 'float16'\. Did you mean 'bfloat16'\?"):
        storage_quantizer("float16", "pentanary")
