"""The tokenizer of Llama 2 and its like in a GGUF file: pieces with scores, which SentencePiece made.

SentencePiece merges, of all neighbours that make a piece, those whose piece has the highest score, and the first of
those with the same.  The library `tokenizers` merges by a list of pairs, the first of them first: the pairs of all
pieces by falling score do the same, as long as the scores tell all pieces apart that can be merged, and every character
of a piece is a piece.  Both are asked here, so that no text becomes other tokens than those of the original.

One exception is common: all runs of spaces have one score.  They are taken in the order of their ids, and whether that
makes the same of runs is tried for all lengths up to eight times the longest.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tokenizers import Tokenizer, decoders, models, normalizers

from pentanet.errors import ModelConfigError, UnsupportedArchitectureError

NORMAL, BYTE = 1, 6  # types of tokens in llama.cpp
_SPACE = "\u2581"
_BYTES = tuple(f"<0x{i:02X}>" for i in range(256))
_LONGEST = 1024  # characters of a piece: SentencePiece makes at most 16 by default
_LONGEST_RUN = 32  # of spaces, in pieces of one score


def sentencepiece(fields: Mapping[str, Any], tokens: list[str], kinds: list[int], where: str) -> Tokenizer:
    """A tokenizer of pieces, without its special tokens.

    Args:
        fields: the metadata.
        tokens, kinds: text and type of every id.
        where: the file, for messages.

    Raises:
        ModelConfigError: scores that are missing or do not say what is merged first; a character or byte that is no
            token; a piece that is too long.
        UnsupportedArchitectureError: text that is changed otherwise before it is cut.
    """
    for key in ("precompiled_charsmap", "remove_extra_whitespaces"):
        if fields.get(f"tokenizer.ggml.{key}"):
            raise UnsupportedArchitectureError(
                f"{where}: tokenizer.ggml.{key}: SentencePiece models that change the text are not read. Quantize the "
                "Hugging Face directory of the model instead."
            )
    scores: list[float] = list(fields.get("tokenizer.ggml.scores", ()))
    if not len(scores) == len(kinds) == len(tokens):
        raise ModelConfigError(f"{where}: {len(tokens)} tokens, {len(kinds)} types and {len(scores)} scores")
    ids = {token: i for i, token in enumerate(tokens)}
    if len(ids) != len(tokens):
        raise ModelConfigError(f"{where}: two of its tokens have the same text")
    pieces = {token: scores[i] for token, i in ids.items() if kinds[i] == NORMAL}
    unknown = fields.get("tokenizer.ggml.unknown_token_id", 0)
    if type(unknown) is not int or not 0 <= unknown < len(tokens):
        raise ModelConfigError(f"{where}: tokenizer.ggml.unknown_token_id {unknown!r:.40} is no token")
    _require_bytes(ids, kinds, where)
    tokenizer = Tokenizer(
        models.BPE(
            vocab=ids,
            merges=_merges(pieces, ids, where),
            unk_token=tokens[unknown],
            fuse_unk=True,
            byte_fallback=True,
        )
    )
    before: list[normalizers.Normalizer] = [normalizers.Replace(" ", _SPACE)]
    after: list[decoders.Decoder] = [decoders.Replace(_SPACE, " "), decoders.ByteFallback(), decoders.Fuse()]
    if fields.get("tokenizer.ggml.add_space_prefix", True):
        before.insert(0, normalizers.Prepend(_SPACE))
        after.append(decoders.Strip(" ", 1, 0))
    tokenizer.normalizer = normalizers.Sequence(before)  # pyright: ignore[reportAttributeAccessIssue]
    tokenizer.decoder = decoders.Sequence(after)  # pyright: ignore[reportAttributeAccessIssue]
    return tokenizer


def _merges(pieces: Mapping[str, float], ids: Mapping[str, int], where: str) -> list[tuple[str, str]]:
    """Every pair of pieces that makes a piece, by the score of that, the highest first, and by the ids of all three."""
    merged: dict[float, list[str]] = {}  # pieces that can be, by their score
    found: list[tuple[float, int, int, str, str]] = []
    for piece, score in pieces.items():
        if score != score:
            raise ModelConfigError(f"{where}: token {piece!r:.80} has the score nan")
        if len(piece) > _LONGEST:
            raise ModelConfigError(f"{where}: a token has {len(piece)} characters, {_LONGEST} may be")
        for character in piece if len(piece) > 1 else ():
            if character not in pieces:
                raise ModelConfigError(f"{where}: character {character!r} of token {piece!r:.80} is no token itself")
        pairs = [(piece[:i], piece[i:]) for i in range(1, len(piece))]
        pairs = [(left, right) for left, right in pairs if left in pieces and right in pieces]
        pairs.sort(key=lambda pair: (ids[pair[0]], ids[pair[1]]))
        found += [(-score, ids[piece], i, left, right) for i, (left, right) in enumerate(pairs)]
        if pairs:
            merged.setdefault(score, []).append(piece)
    found.sort()
    merges = [(left, right) for *_, left, right in found]
    for score, alike in merged.items():
        if len(alike) > 1 and not _runs_alike(alike, pieces, merges):
            raise ModelConfigError(
                f"{where}: tokens {alike[0]!r:.80} and {alike[1]!r:.80} have one score, {score}, which does not say "
                "what is merged first"
            )
    return merges


def _runs_alike(alike: list[str], pieces: Mapping[str, float], merges: list[tuple[str, str]]) -> bool:
    """Whether pieces of one score are runs of spaces, which become the same by either rule.

    Other pieces may have only one space in a row: so whatever is merged around a run leaves a run.
    """
    longest = max(map(len, alike))
    if set("".join(alike)) != {_SPACE} or longest > _LONGEST_RUN:
        return False
    if any(2 * _SPACE in piece for piece in pieces if piece not in alike):
        return False
    of_runs = [(left, right) for left, right in merges if left + right in alike]
    listed = Tokenizer(models.BPE(vocab={_SPACE * (i + 1): i for i in range(longest)}, merges=of_runs))
    lengths = {len(piece) for piece in alike}
    for length in range(1, 8 * longest + 1):
        run, at = [1] * length, 0
        while at < len(run) - 1:  # the first pair that makes a piece, again and again
            if run[at] + run[at + 1] in lengths:
                run[at : at + 2] = [run[at] + run[at + 1]]
                at = max(at - 1, 0)
            else:
                at += 1
        if [len(token) for token in listed.encode(_SPACE * length).tokens] != run:
            return False
    return True


def _require_bytes(ids: Mapping[str, int], kinds: list[int], where: str) -> None:
    for byte in _BYTES:
        if byte not in ids or kinds[ids[byte]] != BYTE:
            raise ModelConfigError(f"{where}: has no token for the byte {byte}, so that some texts have no tokens")
