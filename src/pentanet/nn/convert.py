"""Put a weight method behind the linears of any torch module, in place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from torch import nn

from pentanet.errors import ConfigError, UnknownNameError
from pentanet.linear_options import Activations
from pentanet.nn.direct_reads import direct_reads
from pentanet.nn.input_rounding import input_quantizer
from pentanet.nn.modules import QuantLinear
from pentanet.quant import Method
from pentanet.quant import method as find_method


@dataclass(frozen=True, kw_only=True, slots=True)
class Conversion:
    """What `quantize_` did.

    Attributes:
        method: its registry name.
        linears: paths of the linears that round now.
        weights: how many weights they have.
        left: paths of the other modules with a matrix of their own, and why each stays as it is.
    """

    method: str
    linears: tuple[str, ...]
    weights: int
    left: Mapping[str, str]


def quantize_(
    module: nn.Module,
    method: str = "pentanary",
    *,
    activations: Activations | None = None,
    skip: Sequence[str] = (),
) -> Conversion:
    """Let every linear of a module multiply by its rounded weight from now on; gradients reach the latent one.

    Each `nn.Linear` gives way to a `QuantLinear` with the same parameters under the same names, so that an optimizer
    and a state dict go on with them; `QuantLinear.export()` gives levels and scales.  A method that changes over the
    training follows `pentanet.nn.set_progress(module, share)`; without it, it rounds as at the end.

    Args:
        module: any module that holds linears; it changes.
        method: registry name of a weight method: see `pentanet methods`.
        activations: how these linears round their inputs; None for what the method does.
        skip: paths of modules to leave alone, with all that is in them.

    Raises:
        UnknownNameError: no such method, or nothing of the name in `skip`.
        ConfigError: a linear has a shape that the method cannot round; the method has a path of low rank; or no linear
            is left to convert.  The module is then as it was.
    """
    chosen = find_method(method)
    if chosen.low_rank != "none":
        raise ConfigError(f"method '{chosen.name}': has a path of low rank, which only networks of pentanet have")
    modules = _modules(module)
    for name in skip:
        if name not in modules:
            raise UnknownNameError("module", name, [path for path in modules if path])
    linears: dict[str, nn.Linear] = {}
    left: dict[str, str] = {}
    for path, child, why in _matrices(modules, skip):
        if why or not isinstance(child, nn.Linear):
            left[path] = why
            continue
        rows, cols = child.weight.shape
        try:
            chosen.require_shape(rows, cols)
        except ConfigError as error:
            raise ConfigError(f"'{path}': {error}; leave it out with skip=['{path}']") from None
        linears[path] = child
    if not linears:
        raise ConfigError(f"{type(module).__name__}: has no linear to convert. {_said(left)}".rstrip())
    own = {id(linear): linear for linear in linears.values()}  # one that stands in two places stays one
    made = {key: _converted(linear, chosen, activations) for key, linear in own.items()}
    for path, linear in linears.items():
        module.set_submodule(path, made[id(linear)])
    weights = sum(linear.weight.numel() for linear in own.values())
    return Conversion(method=chosen.name, linears=tuple(linears), weights=weights, left=left)


def _modules(module: nn.Module) -> dict[str, nn.Module]:
    """Every module in it by path, once for each place where it stands."""
    return dict(cast("Iterator[tuple[str, nn.Module]]", module.named_modules(remove_duplicate=False)))


def _matrices(modules: Mapping[str, nn.Module], skip: Sequence[str]) -> Iterator[tuple[str, nn.Module, str]]:
    """Every module with a matrix of its own: path, module, and why it cannot be converted ("" where it can)."""
    users: Counter[int] = Counter()
    for child in {id(child): child for child in modules.values()}.values():
        users.update(id(p) for p in child.parameters(recurse=False))
    for path, child in modules.items():
        matrices = [p for p in child.parameters(recurse=False) if p.ndim >= 2]
        parent = modules[path.rpartition(".")[0]]
        if not matrices:
            continue
        if not path:
            why = "the module itself: put it into another one, such as nn.Sequential"
        elif any(path == part or path.startswith(f"{part}.") for part in skip):
            why = "skipped"
        elif type(child) is not nn.Linear:
            why = f"{type(child).__name__}, not nn.Linear"
        elif path.rpartition(".")[2] in direct_reads(type(parent), called_too=True):
            why = f"{type(parent).__name__} reads its weight past the module"
        elif any(users[id(p)] > 1 for p in matrices):
            why = "shares its weight with another module"
        elif _has_hooks(child):
            why = "has hooks"
        else:
            why = ""
        yield path, child, why


def _has_hooks(module: nn.Module) -> bool:
    return any(value for name, value in vars(module).items() if name.endswith("_hooks"))


def _converted(linear: nn.Linear, chosen: Method, activations: Activations | None) -> QuantLinear:
    rows, cols = linear.weight.shape
    quantizer = chosen.make().to(linear.weight.device)
    inputs = input_quantizer(chosen.activations if activations is None else activations)
    made = QuantLinear(rows, cols, quantizer, None if inputs is None else inputs.to(linear.weight.device))
    for name, parameter in linear.named_parameters(recurse=False):
        made.register_parameter(name, parameter)
    made.progress = 1.0
    quantizer.initialize(linear.weight)
    return made.train(linear.training)


def _said(left: Mapping[str, str]) -> str:
    return "".join(f"{path or 'itself'}: {why}. " for path, why in left.items())
