"""pentanet generate."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Literal

from pentanet.cli.options import Count, Flag, Seed, Threads


def generate(
    model: Path,
    *,
    prompt: str = "",
    chat: Flag = False,
    system: str = "",
    stop: tuple[str, ...] = (),
    tokens: Count = 100,
    temperature: float = 0.8,
    top_k: int = 40,
    top_p: float = 1.0,
    min_p: float = 0.0,
    repetition_penalty: float = 1.0,
    seed: Seed = 0,
    engine: Literal["auto", "native", "torch"] = "auto",
    threads: Threads = 0,
    pin: Flag = False,
    cache: Literal["float32", "float16", "bfloat16", "int8"] = "float32",
    activations: Literal["auto", "int8", "int8x2", "adaptive"] = "auto",
    allow_pickle: Flag = False,
    json: Flag = False,
) -> None:
    """Continue a prompt, token by token; an original runs too, to compare with.

    Parameters
    ----------
    model
        Model directory of `pentanet pack`, `quantize`, `finetune` or `import`; or an original: a Hugging Face model
        directory or a .gguf file, which runs in torch, slowly, with all its weights in float32.
    prompt
        Text to continue; empty to start a new one.
    chat
        Put the prompt as a question, in the chat template that the model brings, and write the answer alone.
    system
        With --chat: what the model is told before the question.
    stop
        End the text before this string too; may be given several times.
    tokens
        How many to write at most.
    temperature
        Divides the logits; 0 takes the most likely token each time.
    top_k
        Draw from the k most likely tokens; 0 from all.
    top_p
        Draw from the smallest set of tokens with this probability.
    min_p
        Draw from tokens with this share of the probability of the most likely one; 0 from all.
    repetition_penalty
        Above 1, makes tokens that the text already has less likely.
    seed
        The same seed writes the same text.
    engine
        native: compiled, activations rounded; torch: the reference, slow and exact; auto: native where it was compiled
        and runs the model.
    threads
        Of the native engine; 0 for one on each core.
    pin
        Keep each thread of the native engine on a core of its own.
    cache
        Of the native engine: how keys and values are stored.
    activations
        How the inputs of linears are rounded: int8, int8x2 (what that missed once more), adaptive (twice where once
        would be coarse); auto: torch as in training, native adaptive, or int8 where it was trained so.
    allow_pickle
        Read pytorch_model.bin, if an original has no safetensors.
    json
        Print prompt, text, seconds, and each token with its log-probability as JSON instead of streaming.
    """
    from pentanet.cli import console
    from pentanet.errors import ConfigError
    from pentanet.kernels import native
    from pentanet.runtime.chat import messages_of
    from pentanet.runtime.sampling import Sampling
    from pentanet.runtime.stream import stream
    from pentanet.sources.running import open_any

    if engine == "auto" and not native.available():
        why = native.why_missing()
        console.err.print(f"The native engine was not compiled ({why}); generating slowly, with torch.")
    sampling = Sampling(
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        min_p=min_p,
        repetition_penalty=repetition_penalty,
        seed=seed,
    )
    if system and not chat:
        raise ConfigError("--system is a message of a chat: add --chat")
    predictor = open_any(model, engine, threads, cache, activations, pin=pin, allow_pickle=allow_pickle)
    template = predictor.chat_template() if chat else None
    start = template.prompt(predictor.tokenizer, messages_of(prompt, system)) if template else prompt
    written = stream(predictor, start, tokens, sampling, stops=stop)
    started = time.monotonic()
    if json:
        found = list(written)
        seconds = round(time.monotonic() - started, 3)
        tokens_of = [{"id": token.id, "text": token.text, "logprob": token.logprob} for token in found]
        text = "".join(token.text for token in found)
        told = {"prompt": prompt, "text": text, "end": found[-1].end, "seconds": seconds, "tokens": tokens_of}
        console.print_json(told)
        return
    if template is None:
        sys.stdout.write(prompt)
    for token in written:
        sys.stdout.write(token.text)
        sys.stdout.flush()
    sys.stdout.write("\n")
