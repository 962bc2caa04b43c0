"""What the quantization_config of a BitNet says: how its weights lie in the files, and which linears it has."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pentanet.errors import ModelConfigError


@dataclass(frozen=True, kw_only=True, slots=True)
class BitnetSection:
    """The part of a config.json that transformers' BitNet reads.

    Attributes:
        masters: whether the files hold the latent weights, which are rounded whenever the network runs (`online`).
        divides: whether packed levels are divided by their scale (`bitlinear`), and not multiplied.
        kept: patterns of the modules that stay in full precision; None for the head alone.
    """

    masters: bool
    divides: bool
    kept: tuple[str, ...] | None

    def require_blocks(self, linears: Iterable[str], head: str, where: str) -> None:
        """Refuse a network in which other linears are rounded than those of the blocks.

        Args:
            linears: names of their weights.
            head: name of the module that makes logits.
            where: config.json, for messages.

        Raises:
            ModelConfigError: `kept` names a linear of a block; or, of masters, leaves out the head.
        """
        if self.kept is None:
            return
        for name in linears:
            if any(_matches(pattern, name.removesuffix(".weight")) for pattern in self.kept):
                raise ModelConfigError(f"{where}: modules_to_not_convert leaves '{name}' in full precision, which is "
                                       "not supported: all linears of the blocks are ternary, or none")  # fmt: skip
        if self.masters and not any(_matches(pattern, head) for pattern in self.kept):
            raise ModelConfigError(f"{where}: modules_to_not_convert does not name '{head}', so that transformers "
                                   "rounds the head too, which is not supported")  # fmt: skip


def read_section(config: Mapping[str, Any], where: str) -> BitnetSection | None:
    """The section of a config.json; None where it has none.

    Args:
        config: its content.
        where: its name, for messages.

    Raises:
        ModelConfigError: another way to quantize.
    """
    found = config.get("quantization_config")
    if found is None:
        return None
    section: Mapping[str, Any] = found if isinstance(found, dict) else {}
    method = section.get("quant_method")
    if method == "pentanet":
        raise ModelConfigError(f"{where}: is a model directory of pentanet already; `pentanet inspect` shows it")
    if method != "bitnet":
        raise ModelConfigError(
            f"{where}: quant_method is {method!r:.40}; of quantized directories only 'bitnet' is imported. Take the "
            "original weights of the model: pentanet quantize"
        )
    kind, mode = section.get("linear_class", "bitlinear"), section.get("quantization_mode", "offline")
    if kind not in ("bitlinear", "autobitlinear") or mode not in ("offline", "online"):
        raise ModelConfigError(f"{where}: linear_class {kind!r:.40}, quantization_mode {mode!r:.40}: known are "
                               "bitlinear and autobitlinear, offline and online")  # fmt: skip
    if kind == "bitlinear" and mode == "online":
        raise ModelConfigError(f"{where}: linear_class bitlinear is packed, and quantization_mode online says that it "
                               "is not. Correct the one that is wrong")  # fmt: skip
    if section.get("use_rms_norm"):
        raise ModelConfigError(f"{where}: use_rms_norm: norms inside of linears are not supported")
    kept = section.get("modules_to_not_convert")
    if kept is not None and not (isinstance(kept, list) and all(isinstance(p, str) for p in kept)):  # pyright: ignore[reportUnknownVariableType]
        raise ModelConfigError(f"{where}: modules_to_not_convert: expected a list of names")
    patterns = None if kept is None else tuple(str(pattern) for pattern in kept)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    return BitnetSection(masters=mode == "online", divides=kind == "bitlinear", kept=patterns)


def _matches(pattern: str, module: str) -> bool:
    """Whether transformers leaves a module out for this pattern: its beginning or end, up to a dot."""
    try:
        begins = re.match(rf"(?:{pattern})(?:(?<=\.)|(?=\.|$))", module)
    except re.error:
        begins = None
    return begins is not None or module.endswith(pattern)
