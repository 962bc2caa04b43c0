"""Models that others quantized, as model directories, and latent weights as their training rounds them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pentanet import __version__
from pentanet.errors import ConfigError, FormatError
from pentanet.format.card import model_card
from pentanet.format.model_dir import check_target, read_config, write_model
from pentanet.format.packed_model import CONFIG, TOKENIZER
from pentanet.integrations.imported.bitnet_masters import from_masters
from pentanet.integrations.imported.bitnet_packed import from_packed
from pentanet.integrations.imported.bitnet_section import read_section
from pentanet.integrations.imported.found import Found
from pentanet.integrations.imported.gguf import from_gguf
from pentanet.integrations.imported.lattice import from_lattice
from pentanet.integrations.imported.pentanet_seed import SUFFIXES, SeedMethod, from_pentanet
from pentanet.regular import own_file
from pentanet.runtime.inspect import Inspection, inspect


@dataclass(frozen=True, kw_only=True, slots=True)
class Imported:
    """What was made of a checkpoint.

    Attributes:
        kind: what the checkpoint was found to be, in words.
        model: what the model directory holds.
    """

    kind: str
    model: Inspection

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON can hold them."""
        return {"found": self.kind, **self.model.to_dict()}


def import_model(
    source: str | Path,
    out: str | Path,
    *,
    masters: bool = False,
    shards: int = 0,
    method: SeedMethod | None = None,
    allow_pickle: bool = False,
    overwrite: bool = False,
) -> Imported:
    """Turn a model that others quantized, or trained to be rounded, into a model directory with the same weights.

    Args:
        source: a .gguf file, a directory of transformers, or a .pt file of PentaNet's training script.
        out: the directory to write.
        masters: the floats of a directory are BitNet masters, though its config.json does not say so.
        shards: parts with a scale of their own that a ternary matrix in floats may have; 0 for as many as are found.
        method: what rounds a .pt file; None for what its name says.
        allow_pickle: read pytorch_model.bin where a directory has no safetensors, and .pt files.
        overwrite: replace a model directory that is there.

    Raises:
        MissingExtraError: a .gguf file, and the package gguf is not installed.
        ConfigError: an option that does not go with the source.
        FormatError: damaged, or not quantized in a way that is read here; the message says what to do.
        WriteError: `out` is in use or holds the source, or the disk does not take it.
    """
    source, out = Path(source), Path(out)
    check_target(out, overwrite, original=source)
    found = _read(source, masters, shards, method, allow_pickle)
    card = {
        **found.facts,
        "name": source.stem,
        "made_from": source.name,
        "imported": "without rounding" if found.exact else "rounded as its training does",
        "title": found.kind,
        "version": __version__,
    }
    write_model(
        out,
        config=found.config,
        tensors=found.tensors,
        method=found.method,
        activations=found.activations,
        tokenizer=found.files.get(TOKENIZER),
        card=model_card(card),
        beside={name: content for name, content in found.files.items() if name != TOKENIZER},
        overwrite=overwrite,
    )
    return Imported(kind=found.kind, model=inspect(out))


def _read(path: Path, masters: bool, shards: int, method: SeedMethod | None, allow_pickle: bool) -> Found:
    seed = path.suffix in SUFFIXES and not path.is_dir()
    for option, given, used in (
        ("--masters", masters, path.is_dir()),
        ("--shards", shards, path.is_dir() and not masters),
        ("--method", method, seed),
    ):
        if given and not used:
            raise ConfigError(f"{option} does not go with {path}: see `pentanet import --help`")
    if path.is_dir():
        return _from_directory(path, masters, shards, allow_pickle)
    return from_pentanet(path, method=method, allow_pickle=allow_pickle) if seed else from_gguf(path)


def _from_directory(path: Path, masters: bool, shards: int, allow_pickle: bool) -> Found:
    own_file(path, CONFIG)
    config = read_config(path / CONFIG)
    section = read_section(config, f"{path}/{CONFIG}")
    if section is None and not masters:
        return from_lattice(path, shards=shards, allow_pickle=allow_pickle)
    if shards and section is not None:
        raise ConfigError(f"--shards does not go with {path}, a BitNet by its config.json")
    if section is None or section.masters:
        return from_masters(path, section, allow_pickle=allow_pickle)
    if masters:
        raise FormatError(f"{path}: is packed by its config.json, and has no masters. Leave out --masters")
    return from_packed(path, config, section, allow_pickle=allow_pickle)
