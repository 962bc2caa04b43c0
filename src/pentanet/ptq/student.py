"""A quantized model as a network that learns, and back."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from pentanet import __version__
from pentanet.codes import Codes
from pentanet.errors import ConfigError, ShapeError
from pentanet.models import Network
from pentanet.nn import QuantLinear
from pentanet.pack.card import model_card
from pentanet.pack.model_dir import write_model
from pentanet.pack.packed_model import CARD, CONFIG, TENSORS, TOKENIZER, PackedModel
from pentanet.pack.tensors import Coded, CodedSpec, Plain, Storable
from pentanet.ptq.network import load_float
from pentanet.ptq.rotate import rotated_like
from pentanet.ptq.scales import as_half
from pentanet.ptq.source import Source
from pentanet.quant.gradients import replace
from pentanet.quant.granularity import Granularity
from pentanet.quant.uniform import LearnedStepQuantizer
from pentanet.shapes.places import bias_of, hub_shapes, linear_names

KEEP = 0.49  # of a step: how far from its level a latent weight starts at most


class HalfStepQuantizer(LearnedStepQuantizer):
    """Learned steps that float16 holds: what is trained is what is written."""

    def scales(self, weight: Tensor) -> Tensor:
        scales = super().scales(weight)
        return replace(scales, as_half(scales.detach()))


@torch.no_grad()
def new_student(packed: PackedModel, source: Source) -> Network:
    """The quantized network with latent weights near the original's and steps to learn.

    Raises:
        ShapeError: the original is of another model.
        ConfigError: sums of ternary planes, which have no training here.
    """
    source = rotated_like(source, packed.config)
    shapes = hub_shapes(source.config, source.vocab)
    network, linears = load_float(source), set(linear_names(source.config, source.vocab))
    with_codes = {bias_of(name, shapes) for name in linears}
    for name, shape in shapes.items():
        if name not in with_codes and (name not in packed.specs or packed.shape(name) != shape):
            raise ShapeError(f"{packed.path}: tensor '{name}' does not fit the original at {source.path}")
    for name, parameter in list(network.named_parameters()):  # quantizers join them on the way
        if name in with_codes:
            continue
        spec = packed.spec(name)
        values = packed.codes(name).dequantize() if isinstance(spec, CodedSpec) else packed.plain(name)
        used = torch.from_numpy(values)
        if name in linears and isinstance(spec, CodedSpec):
            _learn(
                cast("QuantLinear", network.get_submodule(name.removesuffix(".weight"))), packed.codes(name), used, name
            )
        else:
            parameter.copy_(used)
            parameter.requires_grad_(parameter.ndim == 1)
    return network


def _learn(module: QuantLinear, codes: Codes, used: Tensor, name: str) -> None:
    """Latent weights as near to the original's as their level allows, and steps as they are."""
    if codes.planes > 1 or codes.grid.spacing != 1:
        raise ConfigError(f"tensor '{name}': only one matrix on levels that are 1 apart can be finetuned, not planes")
    rows, groups = codes.scales.shape
    granularity = Granularity("as packed", codes.shape[1] // groups if rows > 1 else None)
    quantizer = HalfStepQuantizer(codes.grid, granularity)
    steps = torch.from_numpy(codes.scales)[:, :, None]
    room = (steps.expand(rows, groups, used.numel() // (rows * groups)) * KEEP).reshape(used.shape)
    module.weight.copy_(used + (module.weight - used).clamp(-room, room))
    quantizer.log_step = nn.Parameter(steps.log())
    module.quantizer = quantizer


@torch.no_grad()
def write_student(network: Network, packed: PackedModel, out: Path, overwrite: bool) -> None:
    """Write what was trained, stored as in the packed model that it started from.  Raises WriteError."""
    tensors: dict[str, Storable] = {}
    parameters = dict(network.named_parameters())
    for name, spec in packed.specs.items():
        module = network.get_submodule(name.rpartition(".")[0])
        if isinstance(module, QuantLinear) and isinstance(module.quantizer, HalfStepQuantizer):
            assert isinstance(spec, CodedSpec)
            tensors[name] = Coded(cast("Codes", module.export()), spec.layout)
        elif isinstance(spec, CodedSpec):
            tensors[name] = Coded(packed.codes(name), spec.layout)
        else:
            tensors[name] = Plain(parameters[name].detach().numpy(), spec.dtype)
    config = {key: value for key, value in packed.config.items() if key != "quantization_config"}
    skipped = (CONFIG, TENSORS, TOKENIZER, CARD)
    beside = {p.name: p.read_bytes() for p in sorted(packed.path.iterdir()) if p.is_file() and p.name not in skipped}
    tokenizer = packed.tokenizer_path
    facts = {"name": out.name, "made_from": packed.path.name, "method": packed.method, "version": __version__}
    write_model(
        out,
        config=config,
        tensors=tensors,
        method=packed.method,
        tokenizer=tokenizer.read_bytes() if tokenizer else None,
        card=model_card({**facts, "title": "finetuned after quantization"}),
        beside=beside,
        overwrite=overwrite,
    )
