"""AdamW and Muon behind one face: set the rate, step, save, restore."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from pentanet.families.network import Network
from pentanet.families.tensor_table import linear_names
from pentanet.nn import QuantLinear, learned_steps, quantized_modules
from pentanet.training.config import OptimizerConfig, ScheduleConfig
from pentanet.training.muon import Muon
from pentanet.training.schedule import decay, rate


class Optimizers:
    """Torch optimizers whose peak rates follow a common schedule.

    Args:
        model: whose names the parameters have in a checkpoint.
        parts: together, each parameter once; their rates and weight decays are the peaks.
    """

    def __init__(self, model: nn.Module, parts: Sequence[torch.optim.Optimizer]) -> None:
        self.names = {id(p): name for name, p in model.named_parameters()}
        self.parts = list(parts)
        self.peaks = [[(group["lr"], group["weight_decay"]) for group in part.param_groups] for part in self.parts]

    def apply(self, rate: float, decay: float = 1.0) -> None:
        """Apply the gradients and forget them; rates and weight decays are these shares of their peaks."""
        for part, peaks in zip(self.parts, self.peaks, strict=True):
            for group, (lr, weight_decay) in zip(part.param_groups, peaks, strict=True):
                group["lr"], group["weight_decay"] = lr * rate, weight_decay * decay
            part.step()
            part.zero_grad(set_to_none=True)

    def state(self) -> dict[str, Tensor]:
        """Every tensor of the state, named `parameter/key`."""
        found: dict[str, Tensor] = {}
        for part in self.parts:
            for parameter, values in part.state.items():
                for key, value in values.items():
                    found[f"{self.names[id(parameter)]}/{key}"] = torch.as_tensor(value)
        return found

    def restore(self, state: dict[str, Tensor]) -> None:
        """Set the state that `state` returned; other names are passed over."""
        by_parameter: dict[str, dict[str, Tensor]] = {}
        for name, value in state.items():
            parameter, _, key = name.rpartition("/")
            by_parameter.setdefault(parameter, {})[key] = value
        for part in self.parts:
            for group in part.param_groups:
                for parameter in group["params"]:
                    saved = by_parameter.get(self.names[id(parameter)], {})
                    part.state[parameter] = {
                        key: value.to(parameter.device if key != "step" or group.get("fused") else "cpu")
                        for key, value in saved.items()
                    }


class Optimizer(Optimizers):
    """AdamW, or Muon with AdamW for the rest, by the configuration of a training run.

    Matrices of the blocks are decayed; norms, embeddings, heads and positions only with `decay_vectors`; learned
    steps never: for their logarithms, zero is nothing to be drawn to.  With Muon the same matrices take orthogonalized
    momentum, scaled by sqrt(max(1, rows / cols)).
    """

    def __init__(self, model: Network, config: OptimizerConfig, schedule: ScheduleConfig, steps: int) -> None:
        self.config, self.schedule, self.steps = config, schedule, steps
        matrices, others, states = _split(model)
        betas, wd = (config.beta1, config.beta2), config.weight_decay
        groups: list[dict[str, Any]] = [
            {"params": others, "weight_decay": wd if config.decay_vectors else 0.0},
            {"params": states, "weight_decay": 0.0},
        ]
        parts: list[torch.optim.Optimizer] = []
        if config.kind == "muon":
            parts.append(Muon(matrices, lr=config.muon_lr, weight_decay=wd))
        else:
            groups.insert(0, {"params": matrices, "weight_decay": wd})
        parts.append(torch.optim.AdamW(groups, lr=config.lr, betas=betas, eps=config.eps, fused=True))
        super().__init__(model, parts)

    def step(self, step: int) -> float:
        """Apply the gradients with the rate of `step`; returns AdamW's learning rate."""
        share = rate(self.schedule, step, self.steps)
        self.apply(share, decay(self.schedule, step, self.steps))
        return self.config.lr * share


def _split(model: Network) -> tuple[list[nn.Parameter], list[nn.Parameter], list[nn.Parameter]]:
    """Matrices of the blocks, other weights, and learned steps, each once and in the model's order."""
    modules = dict(quantized_modules(model))
    inside = set(linear_names(model.config, model.vocab))
    linears = [m for name, m in modules.items() if isinstance(m, QuantLinear) and f"{name}.weight" in inside]
    inner = {id(m.weight) for m in linears} | {id(p) for m in linears if m.low_rank for p in m.low_rank.matrices()}
    own = {id(p) for p in learned_steps(model)}
    found: tuple[list[nn.Parameter], list[nn.Parameter], list[nn.Parameter]] = ([], [], [])
    for parameter in model.parameters():
        found[0 if id(parameter) in inner else 2 if id(parameter) in own else 1].append(parameter)
    return found
