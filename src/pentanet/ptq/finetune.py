"""Train a quantized model on a little text, so that it says again what its original says.

The levels stay levels: each forward pass rounds latent weights, and the gradient passes through (LSQ, 1902.08153, for
the scales too).  The loss is the cross-entropy between the predictions of the original and of the quantized model
(knowledge distillation, 1503.02531, at temperature 1).  Embedding and head stay as they are; the norms learn.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pentanet import __version__
from pentanet.codes import Codes
from pentanet.errors import ConfigError, NonFiniteLossError, ShapeError, TextTooShortError
from pentanet.models import Network
from pentanet.models.loss import Precision, autocast
from pentanet.nn import QuantLinear
from pentanet.pack.card import model_card
from pentanet.pack.model_dir import check_target, open_model, write_model
from pentanet.pack.packed_model import CARD, CONFIG, TENSORS, TOKENIZER, PackedModel
from pentanet.pack.tensors import Coded, CodedSpec, Plain, Storable
from pentanet.ptq.network import expected_shapes, linear_names, load_float
from pentanet.ptq.scales import as_half
from pentanet.ptq.source import Source
from pentanet.quant.gradients import replace
from pentanet.quant.granularity import Granularity
from pentanet.quant.uniform import LearnedStepQuantizer

Progress = Callable[[int, float, float], None]  # steps done, share of the work that is done, loss
KEEP = 0.49  # of a step: how far from its level a latent weight starts at most
CLIP = 1.0  # of the norm of the gradient


@dataclass(frozen=True, kw_only=True, slots=True)
class FinetuneConfig:
    """Settings of a finetuning."""

    steps: int = 200
    """Optimizer steps."""
    minutes: float = 0.0
    """Stop after so many minutes, with the schedule ending there; such a run does not repeat exactly. 0: no limit."""
    batch: int = 8
    """Windows in a step."""
    window: int = 512
    """Tokens in a window."""
    lr: float = 1e-4
    """Peak rate of AdamW; it warms up over 5 % of the run and falls to zero along a cosine."""
    seed: int = 0
    """Of the windows that are drawn."""

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "window"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} {getattr(self, name)}: must be at least 1")
        if not 0 <= self.minutes < math.inf or not 0 < self.lr < math.inf:
            raise ConfigError(f"minutes {self.minutes} and lr {self.lr}: must not be negative, and lr not zero")


class HalfStepQuantizer(LearnedStepQuantizer):
    """Learned steps that float16 holds: what is trained is what is written."""

    def scales(self, weight: Tensor) -> Tensor:
        scales = super().scales(weight)
        return replace(scales, as_half(scales.detach()))


def finetune(
    model: Path,
    source: Source,
    ids: list[int],
    out: Path,
    config: FinetuneConfig,
    *,
    precision: Precision = "float32",
    overwrite: bool = False,
    progress: Progress = lambda step, share, loss: None,
) -> dict[str, Any]:
    """Finetune a model directory of `quantize` and write another one, stored in the same way.

    Args:
        model: the quantized model.
        source: its original.
        ids: tokens of the text, at least one window.
        out: the directory to make.
        config: how long, and how fast.
        precision: of the matrix products.
        overwrite: replace a model directory that is there.
        progress: told after each step.

    Returns:
        Settings, steps, first and last loss (means of a tenth of the steps), seconds.

    Raises:
        ShapeError: the original is of another model.
        ConfigError: sums of ternary planes, which have no training here.
        TextTooShortError: the text is shorter than one window.
        NonFiniteLossError: the training went off; a lower rate helps.
        WriteError: `out` is in use, or the disk is full.
    """
    started, out = time.monotonic(), out.resolve()
    if len(ids) <= config.window:
        raise TextTooShortError(f"{len(ids)} tokens of text: at least {config.window + 1} are needed for one window")
    check_target(out, overwrite)
    packed = open_model(model)
    teacher = load_float(source).requires_grad_(False)
    student = _student(packed, source)
    matrices = [m.weight for m in student.modules() if isinstance(m, QuantLinear) and m.weight.requires_grad]
    owned = {id(p) for p in matrices}
    others = [p for p in student.parameters() if p.requires_grad and id(p) not in owned]
    optimizer = torch.optim.AdamW(
        [{"params": matrices}, {"params": others}], lr=config.lr, betas=(0.9, 0.95), weight_decay=0.0, fused=True
    )
    random, tokens = np.random.RandomState(config.seed), np.asarray(ids, np.int64)
    losses: list[float] = []
    step, share = 0, 0.0
    while share < 1.0:
        for group in optimizer.param_groups:
            group["lr"] = config.lr * _rate(share, 1 / config.steps)
        starts = random.randint(0, len(tokens) - config.window, config.batch)
        x = torch.from_numpy(np.stack([tokens[s : s + config.window] for s in starts]))
        total = 0.0
        for window in x.split(1):  # one at a time: logits of large vocabularies take most of the memory
            with autocast(torch.device("cpu"), precision):
                with torch.no_grad():
                    wanted = teacher(window).float().softmax(-1)
                loss = F.cross_entropy(student(window).float().flatten(0, 1), wanted.flatten(0, 1)) / config.batch
            loss.backward()
            total += float(loss.detach())
        norm = torch.nn.utils.clip_grad_norm_([*matrices, *others], CLIP)
        if not math.isfinite(total) or not math.isfinite(float(norm)):
            raise NonFiniteLossError(f"step {step}: the loss or its gradient is not finite; lower the rate: --lr")
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(total)
        step += 1
        share = step / config.steps
        if config.minutes:
            share = max(share, (time.monotonic() - started) / (60 * config.minutes))
        progress(step, min(share, 1.0), total)
    _write(student, packed, out, overwrite)
    part = max(1, len(losses) // 10)
    return {
        **asdict(config),
        "out": str(out),
        "steps": step,
        "tokens": step * config.batch * config.window,
        "first_loss": sum(losses[:part]) / part,
        "last_loss": sum(losses[-part:]) / part,
        "precision": precision,
        "seconds": round(time.monotonic() - started, 3),
    }


def _rate(share: float, first: float) -> float:
    """Share of the peak rate when `share` of the run is done."""
    warm = min(1.0, (share + first) / 0.05)
    return warm * 0.5 * (1 + math.cos(math.pi * share))


@torch.no_grad()
def _student(packed: PackedModel, source: Source) -> Network:
    """The quantized network with latent weights near the original's and steps to learn."""
    shapes = expected_shapes(source.config, source.vocab)
    for name, shape in shapes.items():
        if name not in packed.specs or packed.shape(name) != shape:
            raise ShapeError(f"{packed.path}: tensor '{name}' does not fit the original at {source.path}")
    network, linears = load_float(source), set(linear_names(source.config, source.vocab))
    for name, parameter in list(network.named_parameters()):  # quantizers join them on the way
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
def _write(network: Network, packed: PackedModel, out: Path, overwrite: bool) -> None:
    tensors: dict[str, Storable] = {}
    parameters = dict(network.named_parameters())
    for name, spec in packed.specs.items():
        module = network.get_submodule(name.removesuffix(".weight"))
        if isinstance(module, QuantLinear) and isinstance(module.quantizer, HalfStepQuantizer):
            assert isinstance(spec, CodedSpec)
            tensors[name] = Coded(module.quantizer.export(module.weight), spec.layout)
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
