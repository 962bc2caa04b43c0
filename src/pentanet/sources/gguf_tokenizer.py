"""The tokenizer in the metadata of a GGUF file, as the files that Hugging Face's libraries read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, processors

from pentanet.data.tokenizer import foreign_errors
from pentanet.errors import ModelConfigError, UnsupportedArchitectureError, shown
from pentanet.gguf.splitting import SPLITTING, WHOLE_WORDS
from pentanet.sources.sentencepiece import sentencepiece

SENTENCEPIECE = "llama"  # what tokenizer.ggml.model calls it
_UNKNOWN, _CONTROL, _USER_DEFINED = 2, 3, 4  # types of tokens in llama.cpp
_SPECIAL = (_UNKNOWN, _CONTROL)


def tokenizer_files(fields: Mapping[str, Any], where: str) -> dict[str, bytes]:
    """tokenizer.json and tokenizer_config.json of a GGUF file; nothing where it has no tokenizer.

    Args:
        fields: the metadata.
        where: the file, for messages.

    Raises:
        UnsupportedArchitectureError: another tokenizer than a byte-level BPE or one of SentencePiece's, or another
            splitting of the text.
        ModelConfigError: tokens, scores and merges that do not fit each other.
    """
    kind = fields.get("tokenizer.ggml.model")
    if kind in (None, "no_vocab"):
        return {}
    tokens: list[str] = list(fields.get("tokenizer.ggml.tokens", ()))
    kinds: list[int] = list(fields.get("tokenizer.ggml.token_type", ()))
    with foreign_errors(lambda error: ModelConfigError(f"{where}: its tokens make no tokenizer: {shown(str(error))}")):
        tokenizer = _without_specials(fields, tokens, kinds, where)
        special = [AddedToken(t, special=True) for t, k in zip(tokens, kinds, strict=False) if k in _SPECIAL]
        own = [
            AddedToken(t, special=False, normalized=False)
            for t, k in zip(tokens, kinds, strict=False)
            if k == _USER_DEFINED
        ]
        tokenizer.add_special_tokens(special)  # pyright: ignore[reportUnknownMemberType]
        tokenizer.add_tokens(own)  # pyright: ignore[reportUnknownMemberType]
        first = kind == SENTENCEPIECE or fields.get("tokenizer.ggml.pre") == WHOLE_WORDS
        _add_ends(tokenizer, fields, tokens, first=first)
    settings: dict[str, Any] = {"tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": False}
    for name in ("bos", "eos", "unknown", "padding"):
        if (index := _special(fields, name, tokens)) is not None:
            settings[f"{ {'unknown': 'unk', 'padding': 'pad'}.get(name, name) }_token"] = tokens[index]
    if template := fields.get("tokenizer.chat_template"):
        settings["chat_template"] = template
    return {
        "tokenizer.json": (tokenizer.to_str(pretty=True) + "\n").encode(),
        "tokenizer_config.json": (json.dumps(settings, indent=2) + "\n").encode(),
    }


def _without_specials(fields: Mapping[str, Any], tokens: list[str], kinds: list[int], where: str) -> Tokenizer:
    kind, pre = fields["tokenizer.ggml.model"], fields.get("tokenizer.ggml.pre", "gpt-2")
    if kind == SENTENCEPIECE:
        return sentencepiece(fields, tokens, kinds, where)
    if kind != "gpt2" or pre not in SPLITTING:
        raise UnsupportedArchitectureError(
            f"{where}: tokenizer {kind!r:.40} with splitting {pre!r:.40} is not read. Known: llama (SentencePiece), "
            f"and gpt2 with {', '.join(SPLITTING)}. Quantize the Hugging Face directory of the model instead."
        )
    merges = [tuple(merge.split(" ", 1)) for merge in fields.get("tokenizer.ggml.merges", ())]
    bpe = models.BPE(
        vocab={token: i for i, token in enumerate(tokens)},
        merges=merges,  # pyright: ignore[reportArgumentType]
        ignore_merges=pre == WHOLE_WORDS,
    )
    tokenizer = Tokenizer(bpe)
    if pre == "qwen2":
        tokenizer.normalizer = normalizers.NFC()  # pyright: ignore[reportAttributeAccessIssue]
    tokenizer.pre_tokenizer = SPLITTING[pre]()  # pyright: ignore[reportAttributeAccessIssue]
    tokenizer.decoder = decoders.ByteLevel()  # pyright: ignore[reportAttributeAccessIssue]
    return tokenizer


def _special(fields: Mapping[str, Any], name: str, tokens: list[str]) -> int | None:
    index = fields.get(f"tokenizer.ggml.{name}_token_id")
    return index if isinstance(index, int) and 0 <= index < len(tokens) else None


def _add_ends(tokenizer: Tokenizer, fields: Mapping[str, Any], tokens: list[str], *, first: bool) -> None:
    """Let the tokenizer put the tokens around a text that llama.cpp puts there; `first`: its rule where no key says."""
    wanted = {
        "bos": fields.get("tokenizer.ggml.add_bos_token", first),
        "eos": fields.get("tokenizer.ggml.add_eos_token"),
    }
    found = {name: _special(fields, name, tokens) for name, want in wanted.items() if want}
    ids = {name: index for name, index in found.items() if index is not None}
    if not ids:
        return
    # By a name of our own: a token may hold any characters, and the template is split at blanks.
    parts = [part for part in ("bos", "$A", "eos") if part == "$A" or part in ids]
    tokenizer.post_processor = processors.TemplateProcessing(  # pyright: ignore[reportAttributeAccessIssue]
        single=parts,
        pair=[*parts, "$B:1", *(["eos:1"] if "eos" in ids else [])],
        special_tokens=[{"id": name, "ids": [i], "tokens": [tokens[i]]} for name, i in ids.items()],  # pyright: ignore[reportArgumentType]
    )
