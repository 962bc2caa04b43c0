"""A quantized model as a network that learns, and back."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import torch

from pentanet import __version__
from pentanet.codes import Codes
from pentanet.errors import ConfigError, ShapeError
from pentanet.families import ModelConfig, canonical_config, config_from_hub, family_of
from pentanet.families.build import build
from pentanet.families.network import Network
from pentanet.families.tensor_table import bias_of, hub_shapes, linear_names
from pentanet.format.card import model_card
from pentanet.format.model_dir import write_model
from pentanet.format.packed_model import TOKENIZER, PackedModel
from pentanet.format.tensors import Coded, CodedSpec, Plain, Storable
from pentanet.nn import QuantLinear
from pentanet.quant.level import LevelQuantizer
from pentanet.sources.float_network import FloatWeights
from pentanet.sources.origin import from_directory
from pentanet.sources.own_files import read_beside
from pentanet.sources.rotated import untied
from pentanet.sources.source import Source


@torch.no_grad()
def new_student(packed: PackedModel, source: Source) -> Network:
    """The quantized network, its linears with a `LevelQuantizer`; embedding and head are held.

    Raises:
        ShapeError: the original is of another model.
        ConfigError: linears that round their inputs or have a path of low rank, and sums of ternary planes: they have
            no training here.
    """
    if packed.activations != "none" or packed.low_rank != "none":
        raise ConfigError(
            f"{packed.path}: its linears round their inputs or have a path of low rank ('{packed.activations}', "
            f"'{packed.low_rank}'), which would be lost: only weights are finetuned"
        )
    config, vocab = config_from_hub(packed.config), source.vocab
    shapes, linears = hub_shapes(config, vocab), set(linear_names(config, vocab))
    with_codes = {bias_of(name, shapes) for name in linears}
    fits = all(n in with_codes or (n in packed.specs and packed.shape(n) == shape) for n, shape in shapes.items())
    if not _same_network(config, source) or not fits:
        raise ShapeError(
            f"{packed.path}: is not a quantized form of the original at {source.path}. Name what it was made of"
        )
    network = build(config, vocab, FloatWeights()).eval()
    for name, parameter in list(network.named_parameters()):  # quantizers join them on the way
        if name in with_codes:
            continue
        spec = packed.spec(name)
        if name in linears and isinstance(spec, CodedSpec):
            _learn(cast("QuantLinear", network.get_submodule(name.removesuffix(".weight"))), packed.codes(name), name)
        else:
            values = packed.codes(name).dequantize() if isinstance(spec, CodedSpec) else packed.plain(name)
            parameter.copy_(torch.from_numpy(values))
            parameter.requires_grad_(parameter.ndim == 1)
    return network


def _same_network(config: ModelConfig, source: Source) -> bool:
    """Whether two networks are alike, but for the head: a rotated model has one of its own, its original may not."""
    if config == source.config:
        return True
    rotated = family_of(source.config).rotation is not None
    return rotated and config == config_from_hub(untied(source.hub_config))


def _learn(module: QuantLinear, codes: Codes, name: str) -> None:
    """Levels and steps as they are; and the bias, which was stored with the codes.  Raises ShapeError, ConfigError."""
    if (module.bias is None) != (codes.bias is None):
        raise ShapeError(f"tensor '{name}': its codes and config.json disagree about a bias")
    if codes.planes > 1 or codes.grid.spacing != 1:
        raise ConfigError(f"tensor '{name}': only one matrix on levels that are 1 apart can be finetuned, not planes")
    module.weight.copy_(torch.from_numpy(codes.levels))
    module.quantizer = LevelQuantizer(codes)
    if module.bias is not None and codes.bias is not None:
        module.bias.copy_(torch.from_numpy(codes.bias))


@torch.no_grad()
def write_student(network: Network, packed: PackedModel, out: Path, overwrite: bool) -> None:
    """Write what was trained, stored as in the packed model that it started from.  Raises WriteError."""
    tensors: dict[str, Storable] = {}
    parameters = dict(network.named_parameters())
    for name, spec in packed.specs.items():
        module = network.get_submodule(name.rpartition(".")[0])
        if isinstance(module, QuantLinear) and isinstance(module.quantizer, LevelQuantizer):
            assert isinstance(spec, CodedSpec)
            tensors[name] = Coded(cast("Codes", module.export()), spec.layout)
        elif isinstance(spec, CodedSpec):
            tensors[name] = Coded(packed.codes(name), spec.layout)
        else:
            tensors[name] = Plain(parameters[name].detach().numpy(), spec.dtype)
    config = canonical_config({k: value for k, value in packed.config.items() if k != "quantization_config"})
    files = read_beside(packed.path)
    facts = {
        **from_directory(packed.path),
        "name": out.name,
        "made_from": packed.path.name,
        "method": packed.method,
        "version": __version__,
    }
    write_model(
        out,
        config=config,
        tensors=tensors,
        method=packed.method,
        tokenizer=files.get(TOKENIZER),
        card=model_card({**facts, "title": "finetuned after quantization"}),
        beside={name: content for name, content in files.items() if name != TOKENIZER},
        overwrite=overwrite,
    )
