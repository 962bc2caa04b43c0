"""The record of a family whose networks are decoders: the parts that all of them share."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from pentanet.families.decoder.shape import DecoderConfig

if TYPE_CHECKING:
    from pentanet._native import Model
    from pentanet.families.decoder.network import DecoderNetwork
    from pentanet.families.native_parts import NativeParts
    from pentanet.nn import WeightFactory

C = TypeVar("C", bound=DecoderConfig)


def network(config: C, vocab: int, make: WeightFactory) -> DecoderNetwork[C]:
    """The torch network, with weights of the factory."""
    from pentanet.families.decoder.network import DecoderNetwork

    return DecoderNetwork(config, vocab, make)


def native(parts: NativeParts, config: DecoderConfig) -> Model:
    """The model of the native engine."""
    from pentanet.families.decoder.native import native_model

    return native_model(parts, config)
