"""pentanet chat."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pentanet.cli.options import Count, Flag, Seed, Threads
from pentanet.errors import EncodingError

if TYPE_CHECKING:
    from pentanet.runtime.chat import Message

HELP = """\
/reset         forget the conversation
/undo          forget the last question and its answer
/system TEXT   tell the model something before the conversation, and start it anew
/help          this list
/quit          leave (Ctrl-D too); Ctrl-C stops an answer"""


def chat(
    model: Path,
    *,
    system: str = "",
    tokens: Count = 512,
    temperature: float = 0.7,
    top_k: int = 40,
    top_p: float = 0.95,
    repetition_penalty: float = 1.0,
    seed: Seed = 0,
    engine: Literal["auto", "native", "torch"] = "auto",
    threads: Threads = 0,
    cache: Literal["float32", "float16", "bfloat16", "int8"] = "float32",
    allow_pickle: Flag = False,
) -> None:
    """Talk to a model that was tuned to chat; /help lists what else one can type.

    Parameters
    ----------
    model
        Model directory with a chat template; or an original, as in `pentanet generate`.
    system
        What the model is told before the conversation.
    tokens
        How many an answer has at most.
    temperature
        Divides the logits; 0 takes the most likely token each time.
    top_k
        Draw from the k most likely tokens; 0 from all.
    top_p
        Draw from the smallest set of tokens with this probability.
    repetition_penalty
        Above 1, makes tokens that the text already has less likely.
    seed
        The same seed and the same questions give the same answers.
    engine
        native: compiled, activations rounded; torch: the reference, slow and exact; auto: native where it was compiled
        and runs the model.
    threads
        Of the native engine; 0 for one on each core.
    cache
        Of the native engine: how keys and values are stored.
    allow_pickle
        Read pytorch_model.bin, if an original has no safetensors.
    """
    from pentanet.runtime.sampling import Sampling
    from pentanet.sources.running import generate, open_any

    predictor = open_any(model, engine, threads, cache, allow_pickle=allow_pickle)
    template = predictor.chat_template()
    messages = _begin(system)
    for line in _lines():
        if line.startswith("/"):
            messages = _obey(line, messages)
            continue
        messages.append({"role": "user", "content": line})
        sampling = Sampling(
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            repetition_penalty=repetition_penalty,
            seed=seed + len(messages),  # else equal questions get equal draws
        )
        start = template.prompt(predictor.tokenizer, messages)
        messages.append({"role": "assistant", "content": _say(generate(predictor, start, tokens, sampling))})


def _lines() -> Iterator[str]:
    """What the user types, without empty lines, until /quit or the end of the input."""
    if sys.stdin.isatty():
        with contextlib.suppress(ImportError):  # not on Windows
            import_module("readline")  # gives `input` a history and keys to edit with
        print("Type a question; /help lists commands.")
    while True:
        try:
            line = input("> " if sys.stdin.isatty() else "").strip()
        except EOFError:
            return
        except UnicodeDecodeError as error:
            raise EncodingError(f"standard input is not UTF-8 ({error.reason}); convert it with iconv") from None
        if line == "/quit":
            return
        if line:
            yield line


def _say(pieces: Iterator[str]) -> str:
    """Print the pieces of an answer and return all of it; Ctrl-C ends the answer, not the conversation."""
    said: list[str] = []
    try:
        for piece in pieces:
            said.append(piece)
            print(piece, end="", flush=True)
    except KeyboardInterrupt:
        print(" (stopped)", end="")
    print()
    return "".join(said)


def _begin(system: str) -> list[Message]:
    return [{"role": "system", "content": system}] if system else []


def _obey(line: str, messages: list[Message]) -> list[Message]:
    """The conversation after a command."""
    command, _, rest = line.partition(" ")
    told = messages[:1] if messages and messages[0]["role"] == "system" else []
    match command:
        case "/reset":
            return told
        case "/undo":
            return messages if len(messages) == len(told) else messages[:-2]
        case "/system":
            return _begin(rest.strip())
        case "/help":
            print(HELP)
        case _:
            print(f"{command} is not a command. /help lists them.")
    return messages
