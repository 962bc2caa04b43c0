"""`quantization_config` of transformers: ours in a model directory, or what to do with a model that is loaded."""

from __future__ import annotations

from typing import Any

from transformers.utils.quantization_config import QuantizationConfigMixin

from pentanet.errors import ConfigError, UnknownKeyError
from pentanet.format.header import FORMAT_VERSION
from pentanet.format.model_dir import QUANT_METHOD
from pentanet.linear_options import Activations, LowRank
from pentanet.quant import method as find_method

_WRITTEN = ("quant_method", "format_version")  # which config.json has too
_SETTINGS = ("method", "trainable", "activations", "low_rank", "modules_to_not_convert", "min_share")


class PentaNetConfig(QuantizationConfigMixin):
    """Quantize the linears of any model of transformers while it is loaded.

        AutoModelForCausalLM.from_pretrained("model", quantization_config=PentaNetConfig("pentanary"))

    Args:
        method: registry name of a weight method: one that has a grid, no learned steps and no path of low rank.
        trainable: keep the latent weights, and quantize in each forward pass with straight-through gradients;
            `save_pretrained` then packs what the training made of them.
        activations: "int8" to round the inputs of these linears as the native engine does; "none" to leave them.
        modules_to_not_convert: names of linears to leave alone; the head by default.
        min_share: smallest share of the weights in the layers, 0 to 1, that must be quantized: the experts of most
            networks with a mixture of them are no linears, and would stay.  What stays is logged.
        tensors: how each tensor is stored; only in the config.json of a packed model.

    Raises:
        ConfigError: a method that cannot be used so; UnknownNameError if there is none of this name, UnknownKeyError
            for a setting that there is not.
    """

    def __init__(
        self,
        method: str = "pentanary",
        *,
        trainable: bool = False,
        activations: Activations = "none",
        low_rank: LowRank = "none",
        modules_to_not_convert: list[str] | None = None,
        min_share: float = 0.5,
        tensors: dict[str, dict[str, Any]] | None = None,
        **others: Any,
    ) -> None:
        for name in others:
            if name not in _WRITTEN:
                raise UnknownKeyError(name, _SETTINGS, "PentaNetConfig")
        self.quant_method = QUANT_METHOD  # pyright: ignore[reportAttributeAccessIssue]
        self.method, self.trainable, self.tensors = method, trainable, tensors
        self.activations: Activations = activations
        self.low_rank: LowRank = low_rank
        self.modules_to_not_convert = modules_to_not_convert
        self.min_share = min_share
        if tensors is None:
            self._check()

    def to_dict(self) -> dict[str, Any]:
        """As config.json has it: of a packed model what docs/format.md says, and nothing else."""
        if self.tensors is None:
            return {**vars(self)}
        extras = {"activations": self.activations, "low_rank": self.low_rank}
        return {
            "quant_method": QUANT_METHOD,
            "format_version": FORMAT_VERSION,
            "method": self.method,
            "tensors": self.tensors,
            **{key: value for key, value in extras.items() if value != "none"},
        }

    def _check(self) -> None:
        chosen = find_method(self.method)
        learned = chosen.grid is not None and any(True for _ in chosen.make().parameters())
        rotated = chosen.activations.startswith(
            "hadamard"
        )  # inputs too, which a module of transformers has no place for
        if chosen.grid is None or learned or rotated or chosen.low_rank != "none" or self.low_rank != "none":
            raise ConfigError(
                f"method '{self.method}': has no grid, learned steps, a rotation or a path of low rank; choose another"
            )
        if self.activations not in ("none", "int8"):
            raise ConfigError(f"activations '{self.activations}': must be none or int8")
        if not 0 <= self.min_share <= 1:
            raise ConfigError(f"min_share {self.min_share}: must be a share, 0 to 1")
