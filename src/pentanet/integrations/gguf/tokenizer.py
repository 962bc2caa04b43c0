"""A byte-level BPE as llama.cpp wants it: tokens, merges, and the name of the rule that splits text before merging.

What none of the names in `pentanet.gguf.splitting` means is refused here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from tokenizers import Tokenizer

from pentanet.data.tokenizer import eos_id
from pentanet.errors import ExportError, ModelConfigError
from pentanet.gguf.splitting import SPLITTING, WHOLE_WORDS, kinds_of, name_of
from pentanet.runtime.chat import find_template

NORMAL, CONTROL, USER_DEFINED, UNUSED = 1, 3, 4, 5  # llama_token_type


def write_tokenizer(writer: Any, tokenizer: Tokenizer, config: Mapping[str, Any], folder: Path) -> None:
    """Add the tokenizer of a model directory to a gguf.GGUFWriter.

    Args:
        writer: the GGUFWriter.
        tokenizer: of the directory.
        config: its config.json: `vocab_size`, perhaps more than the tokenizer has, and ids of special tokens.
        folder: where a chat template may lie.

    Raises:
        ExportError: a tokenizer that llama.cpp would apply otherwise.
        ModelConfigError: a special token that is no id.
    """
    parts: dict[str, Any] = json.loads(tokenizer.to_str())
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(splitting_rule(parts, folder))
    tokens, kinds = _tokens(parts, config["vocab_size"])
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    merges = parts["model"]["merges"]
    writer.add_token_merges([merge if isinstance(merge, str) else " ".join(merge) for merge in merges])
    eos = _token(config, "eos_token_id", folder)
    eos = eos_id(tokenizer) if eos is None else eos
    bos = _token(config, "bos_token_id", folder)
    bos = eos if bos is None else bos  # llama.cpp takes token 11 where none is named
    if eos is not None:
        writer.add_eos_token_id(eos)
    if bos is not None:
        writer.add_bos_token_id(bos)
    writer.add_add_bos_token(tokenizer.encode("a").ids[:1] == [bos])
    _, template = find_template(folder)
    if template:
        writer.add_chat_template(template)


def splitting_rule(parts: Mapping[str, Any], where: Path) -> str:
    """llama.cpp's name of how a tokenizer.json splits text.

    Raises:
        ExportError: none of those in `pentanet.gguf.splitting`.
    """
    model, normalizer = parts["model"], parts["normalizer"]
    plain = all(not model.get(key) for key in ("dropout", "unk_token", "continuing_subword_prefix", "byte_fallback"))
    if model.get("type") != "BPE" or not plain or (normalizer or {}).get("type") not in (None, "NFC"):
        raise ExportError(f"{where}/tokenizer.json: not a byte-level BPE as GPT-2's; llama.cpp would read it otherwise")
    found = name_of(parts["pre_tokenizer"])
    if found is None or (found == WHOLE_WORDS) != bool(model.get("ignore_merges")):
        kinds = ", ".join(kinds_of(parts["pre_tokenizer"])) or "none"
        raise ExportError(
            f"{where}/tokenizer.json: splits text in a way ({kinds}) that is none of those known here: "
            f"{', '.join(SPLITTING)}; llama.cpp would make other tokens of it"
        )
    return found


def _tokens(parts: Mapping[str, Any], size: int) -> tuple[list[str], list[int]]:
    """Text and type of every id; those that the tokenizer lacks are named and never made."""
    tokens, kinds = [f"[PAD{i}]" for i in range(size)], [UNUSED] * size
    for text, i in parts["model"]["vocab"].items():
        tokens[i], kinds[i] = text, NORMAL
    for added in parts["added_tokens"]:
        tokens[added["id"]] = added["content"]
        kinds[added["id"]] = CONTROL if added["special"] else USER_DEFINED
    return tokens, kinds


def _token(config: Mapping[str, Any], key: str, folder: Path) -> int | None:
    """The id of a special token; of several the first."""
    value: object = config.get(key)
    if isinstance(value, list):
        value = cast("list[object]", value)[0] if value else None
    if value is None:
        return None
    if type(value) is not int or not 0 <= value < config["vocab_size"]:
        raise ModelConfigError(f"{folder}/config.json: {key} {value!r:.80} is no token of {config['vocab_size']}")
    return value
