"""Run a packed directory in C++, whole tokens at a time.

Weights stay packed; each linear rounds its activations to int8 per token (largest magnitude / 127, ties to even), once
or twice, and sums in exact int32.  Results do not depend on the instruction set, on threads, or on how tokens come in
calls.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from pentanet.errors import ConfigError, EngineError, UnknownNameError, UnsupportedModelError
from pentanet.families import ModelConfig, family_of
from pentanet.families.native_parts import NativeParts
from pentanet.format.packed_model import PackedModel
from pentanet.kernels import native
from pentanet.linear_options import ROUNDINGS, Rounding, RoundingChoice
from pentanet.machine import MAX_THREADS, usable_cores
from pentanet.runtime.batch import stream_batch
from pentanet.runtime.chat import ChatTemplate, read_chat_template
from pentanet.runtime.endings import Endings, read_endings
from pentanet.runtime.forward import forward
from pentanet.runtime.open import open_config, read_tokenizer
from pentanet.runtime.sampling import Sampling
from pentanet.runtime.stream import Token, stream
from pentanet.runtime.turn import Turn

if TYPE_CHECKING:
    from pentanet._native import Model, Session

CacheType = Literal["float32", "float16", "bfloat16", "int8"]
CACHES: tuple[str, ...] = get_args(CacheType)


class Engine:
    """A packed model in the native engine; one text at a time.

    A second thread that calls while a call runs is refused, and so is a process forked since: open an engine in each.
    `with Engine.open(path) as engine:` frees the cache and the threads at the end.

    Attributes:
        packed: the open files, which the engine reads in place.
        config: sizes of the network.
        tokenizer: of the directory.
        model: what the engine runs; sessions of `pentanet._native` can share it.
        isa: instruction set in use.
        threads: that share the work.
        cache: how keys and values are stored.
        activations: how they are rounded.
    """

    def __init__(
        self,
        packed: PackedModel,
        config: ModelConfig,
        tokenizer: Tokenizer,
        model: Model,
        threads: int,
        cache: CacheType,
        activations: Rounding,
        *,
        pin: bool = False,
    ) -> None:
        self.packed, self.config, self.tokenizer = packed, config, tokenizer
        self.model, self.isa, self.threads = model, model.isa, threads
        self.cache: CacheType = cache
        self.activations: Rounding = activations
        self._pin = pin
        self._session: Session | None = self._start(1)
        self._turn = Turn()
        self._endings = read_endings(packed.path, packed.config, tokenizer)
        self._ids: list[int] = []  # what the session has seen

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        threads: int = 0,
        verify: bool = True,
        cache: CacheType = "float32",
        activations: RoundingChoice = "auto",
        pin: bool = False,
    ) -> Engine:
        """Open a model directory.

        Args:
            path: the directory.
            threads: how many share the work; 0 takes one for each core that this process may use.
            verify: compare every tensor with its sha256, which reads the whole file once.
            cache: how keys and values are stored. "float32" is exact; "float16" and "bfloat16" take half of the memory
                and "int8" (with a scale for each token and head) a quarter, and a long text is read faster.
            activations: how inputs of coded linears are rounded. "int8" once; "int8x2" twice, what the first int8
                missed with a scale of its own; "adaptive" twice for tokens where once would be coarse: most of their
                int8 are small since a few inputs are large.  "auto" is "int8" for models that were trained so, else
                "adaptive".
            pin: keep each thread on a core of its own: the first on that of the thread that calls this, which stays
                there. What that thread starts later stays there with it.

        Raises:
            EngineError: the engine was not compiled, PENTANET_ISA is wrong, or the system cannot pin threads.
            UnsupportedModelError: a network family that the engine does not have; linears rotate their inputs, round
                them by learned steps, or have a path of low rank.
            ConfigError: a number of threads that is negative, above `MAX_THREADS`, or more than the system starts; or
                another name of a cache or a rounding.
            FormatError, TokenizerMismatchError: as `pentanet.runtime.load.load`.
        """
        isa = native.instruction_set()
        if not 0 <= threads <= MAX_THREADS:
            raise ConfigError(f"threads {threads}: must be 1 to {MAX_THREADS}, or 0 for one on each core")
        if cache not in CACHES:
            raise UnknownNameError("cache", cache, CACHES)
        if activations not in ROUNDINGS:
            raise UnknownNameError("activations", activations, ROUNDINGS)
        packed, config, vocab = open_config(path, verify=verify)
        family = family_of(config)
        if family.native is None:
            raise UnsupportedModelError(f"{path}: the native engine has no family '{family.name}'. Use --engine torch.")
        _require_known(packed)
        tokenizer = read_tokenizer(packed, vocab)
        threads = threads or min(usable_cores(), MAX_THREADS)
        if activations == "auto":
            activations = "int8" if packed.activations == "int8" else "adaptive"
        try:
            model = family.native(NativeParts(packed, isa, threads), config)
        except ValueError as error:
            raise UnsupportedModelError(f"{path}: {error}. Use --engine torch.") from error
        return cls(packed, config, tokenizer, model, threads, cache, activations, pin=pin)

    def close(self) -> None:
        """Free the cache and stop the threads; every later call is refused, but for another `close`."""
        if self._session is None:
            return
        with self._turn:
            self._turn.close()
            self._session = None

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def context(self) -> int:
        """Longest window in tokens."""
        return self.config.context

    @property
    def endings(self) -> Endings:
        """The ids that a text begins with, and those that end it."""
        return self._endings

    def chat_template(self) -> ChatTemplate:
        """How a chat becomes a text.  Raises as `pentanet.runtime.chat.read_chat_template`."""
        return read_chat_template(self.packed.path)

    def logits(self, ids: Sequence[int]) -> NDArray[np.float32]:
        """Logits [T, vocab] after each of the tokens `ids` [T] of one text, read from its start.

        Raises:
            ConfigError: no tokens, more than the context, or one that is not in the vocabulary.
            EngineError: another thread is in a call, the process was forked since, or the engine is closed.
            NonFiniteActivationError: an activation is NaN or infinite.
        """
        return self._forward(ids, share=False, every=True)

    def next_logits(self, ids: Sequence[int]) -> NDArray[np.float32]:
        """Logits [vocab] after the last of `ids`; a beginning that the last call shared is not computed again.

        Raises:
            ConfigError, EngineError, NonFiniteActivationError: as `logits`.
        """
        return self._forward(ids)[0]

    def generate(
        self,
        prompt: str | Sequence[int],
        tokens: int = 100,
        sampling: Sampling | None = None,
        *,
        stops: Sequence[str] = (),
    ) -> Iterator[str]:
        """Continue a prompt, in pieces of whole characters as they come: see `stream`."""
        return (token.text for token in self.stream(prompt, tokens, sampling, stops=stops) if token.text)

    def stream(
        self,
        prompt: str | Sequence[int],
        tokens: int = 100,
        sampling: Sampling | None = None,
        *,
        stops: Sequence[str] = (),
    ) -> Iterator[Token]:
        """Continue a prompt token by token, with ids and log-probabilities: see `pentanet.runtime.stream.stream`."""
        return stream(self, prompt, tokens, sampling, stops=stops)

    def generate_batch(
        self, prompts: Sequence[str], tokens: int = 100, sampling: Sampling | None = None
    ) -> Iterator[tuple[int, str]]:
        """Continue several prompts together: (index of the prompt, piece of its text) as they come.

        The weights are read once for all of them.  Each text is the one that `generate` writes after its prompt alone.

        Raises:
            ConfigError, EmptyTextError: as `generate`.
            EngineError: the process was forked since, also between two pieces.
        """
        with self._turn:
            session = self._start(max(len(prompts), 1))
        return stream_batch(
            session, Turn(), self.tokenizer, self.endings, self.context, prompts, tokens, sampling or Sampling()
        )

    def _start(self, sequences: int) -> Session:
        from pentanet._native import Session

        try:
            return Session(
                self.model,
                sequences=sequences,
                threads=self.threads,
                cache=self.cache,
                activations=self.activations,
                pin=self._pin,
            )
        except ValueError as error:
            raise ConfigError(f"{error}. Ask for fewer with --threads.") from error
        except RuntimeError as error:
            raise EngineError(f"{error}. Leave out --pin.") from error

    def _forward(self, ids: Sequence[int], *, share: bool = True, every: bool = False) -> NDArray[np.float32]:
        if not 1 <= len(ids) <= self.context:
            raise ConfigError(f"{len(ids)} tokens: the model reads at least 1 and at most {self.context}")
        with self._turn:
            session = self._session
            assert session is not None, "a closed engine grants no turn"
            keep = max(min(_shared(self._ids, ids), len(ids) - 1), 0) if share else 0
            session.truncate(keep)
            self._ids = self._ids[:keep]
            if wrong := [token for token in ids[keep:] if not 0 <= token < self.model.vocab]:  # int32 would wrap around
                raise ConfigError(f"token {wrong[0]} is not in a vocabulary of {self.model.vocab}")
            new = np.asarray(ids[keep:], np.int32)
            out = forward(session, new, [(0, new.size)], every=every)
            self._ids = list(ids)
            return out


def _require_known(packed: PackedModel) -> None:
    what = ""
    if packed.activations.startswith("hadamard"):
        what = f"rotate their inputs ('{packed.activations}')"
    elif packed.activations not in ("none", "int8"):
        what = f"round their inputs by learned steps ('{packed.activations}')"
    elif packed.low_rank != "none":
        what = "have a path of low rank beside them"
    if what:
        raise UnsupportedModelError(
            f"{packed.path}: its linears {what}, which the native engine does not do. Use --engine torch."
        )


def _shared(a: Sequence[int], b: Sequence[int]) -> int:
    """How many tokens at the start are the same."""
    count = 0
    for x, y in zip(a, b, strict=False):
        if x != y:
            break
        count += 1
    return count
