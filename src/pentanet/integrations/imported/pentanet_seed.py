"""The .pt files of PentaNet's own training script: latent weights of a GPT, rounded wherever it runs.

Source: train_pentagpt.py of Kyworn/PentaNet-v1.0, which saves the state of its network as MODE_SIZE_sSEED_best.pt.  The
file says neither the mode, which is the number of levels, nor the number of heads: the mode stands in the file's name,
and the heads follow from the size.  One latent weight serves twice: tokens are looked up in it as it is, and the head
multiplies by its levels.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pentanet.codes import Codes
from pentanet.data.tokenizer import bos_id, eos_id, gpt2
from pentanet.errors import ConfigError, FormatError, MissingFileError, UnsafeFileError
from pentanet.families import GPTConfig
from pentanet.families.gpt2.tensors import EMBEDDING, HEAD, POSITIONS
from pentanet.families.tensor_table import hub_shapes, linear_names
from pentanet.format.packed_model import TOKENIZER
from pentanet.integrations.imported.found import Found, assemble
from pentanet.machine import usable_cores
from pentanet.ptq.workers import Workers
from pentanet.quant.registry import method as find_method
from pentanet.sources.hub_files import FLOATS, load_pickle
from pentanet.sources.source import to_float

SUFFIXES = (".pt", ".pth")
SeedMethod = Literal["pentanet-seed", "bitnet-seed"]
_MODES: Mapping[str, SeedMethod] = MappingProxyType({"pentanet": "pentanet-seed", "bitnet": "bitnet-seed"})
_HEADS = MappingProxyType({(6, 384): 6, (8, 512): 8, (12, 768): 12, (24, 1024): 16})
_EMBEDDING, _POSITIONS, _HEAD = f"{EMBEDDING}.weight", f"{POSITIONS}.weight", f"{HEAD}.weight"
_MASK = re.compile(r"transformer\.h\.\d+\.attn\.bias")  # a triangle of ones
_LAYER = re.compile(r"transformer\.h\.(\d{1,4})\.")
_GPT2_TOKENS = 50_257


def from_pentanet(path: Path, *, method: SeedMethod | None = None, allow_pickle: bool = False) -> Found:
    """A state of the training script.

    Args:
        path: the file.
        method: what rounds it; None for what the file's name says.
        allow_pickle: read it at all: a .pt file is a pickle, though nothing but tensors is made of it.

    Raises:
        MissingFileError: no such file.
        UnsafeFileError: pickles are not allowed.
        ConfigError: neither `method` nor the file's name says what rounds it.
        FormatError: not a state of that script, or of none of its sizes.
        MissingExtraError: GPT-2's tokenizer is not installed.
    """
    if not path.is_file():
        raise MissingFileError(path, "Check the name.")
    if not allow_pickle:
        raise UnsafeFileError(f"{path}: is a pickle, which can run code when it is opened. Pass --allow-pickle if you "
                              "trust where it comes from.")  # fmt: skip
    used = method or _MODES.get(path.name.split("_")[0])
    if used is None:
        raise ConfigError(f"{path}: the file does not say how many levels it was trained with, and its name begins "
                          f"neither with {' nor with '.join(f'{m}_' for m in _MODES)}. Use --method pentanet-seed or "
                          "bitnet-seed")  # fmt: skip
    state = load_pickle(path)
    config, vocab = _sizes(state, path)
    rounding = find_method(used).make()

    def rounded(name: str) -> Codes:
        made = rounding.export(to_float(state[name], f"{path}: tensor '{name}'"))
        assert isinstance(made, Codes)
        return made

    def values(name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
        del shape  # compared in _sizes
        return to_float(state[name], f"{path}: tensor '{name}'").numpy()

    coded = [*linear_names(config, vocab), _HEAD]
    pieces = Workers(usable_cores()).map(rounded, coded, lambda name: 12 * math.prod(state[name].shape))
    made = dict(zip(coded, pieces, strict=True))
    tokenizer = gpt2() if vocab == _GPT2_TOKENS else None
    ends = {} if tokenizer is None else {"bos_token_id": bos_id(tokenizer), "eos_token_id": eos_id(tokenizer)}
    levels = "five" if used == "pentanet-seed" else "three"
    said = "as asked for" if method else "by its name"
    return Found(
        kind=f"a state of PentaNet's training script, {config.layers} blocks of width {config.width}, {levels} levels "
        f"({said}); its look-up is latent, its head is on the grid",
        exact=False,
        config={**config.hub_config(vocab), **ends},
        tensors=assemble(config, vocab, codes=lambda name, shape: made[name], values=values, also_coded=(_HEAD,)),
        method=used,
        activations="none",
        files={} if tokenizer is None else {TOKENIZER: tokenizer.to_str().encode()},
        facts={},
    )


def _sizes(state: Mapping[str, Tensor], path: Path) -> tuple[GPTConfig, int]:
    """The network that a state is of, whose tensors it holds and no others; its number of tokens."""
    for name in (_EMBEDDING, _POSITIONS, _HEAD):
        if name not in state or state[name].ndim != 2:
            raise FormatError(f"{path}: has no matrix '{name}', which states of PentaNet's training script have")
    layers = 1 + max((int(found[1]) for name in state if (found := _LAYER.match(name))), default=-1)
    (vocab, width), context = state[_EMBEDDING].shape, len(state[_POSITIONS])
    heads = _HEADS.get((layers, width))
    if heads is None:
        known = ", ".join(f"{depth} blocks of {size}" for depth, size in _HEADS)
        raise FormatError(f"{path}: has {layers} blocks of width {width}, which is no size of PentaNet's training "
                          f"script ({known}), so that the number of heads is not known")  # fmt: skip
    config = GPTConfig(layers=layers, width=width, heads=heads, context=context)
    expected = hub_shapes(config, vocab)
    for name, tensor in state.items():
        if _MASK.fullmatch(name):
            continue
        if expected.pop(name, None) != tuple(tensor.shape) or tensor.dtype not in FLOATS:
            raise FormatError(f"{path}: tensor '{name}' is {tensor.dtype} {list(tensor.shape)}, which has no place in "
                              f"the network of {layers} blocks of width {width}")  # fmt: skip
    if expected:
        raise FormatError(f"{path}: has no tensor '{next(iter(expected))}'")
    if not torch.equal(state[_EMBEDDING], state[_HEAD]):
        raise FormatError(f"{path}: '{_EMBEDDING}' and '{_HEAD}' differ, but are one weight in PentaNet's script")
    return config, vocab
