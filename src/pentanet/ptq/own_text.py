"""Text that a model writes by itself, to calibrate it on what it is likely to see.

It is in the distribution of the model, whatever that was trained on, and needs no file (LLM-QAT, 2305.17888, section
3.1).  A copy with 8-bit weights writes it in the native engine: a hundred times as fast as the original in torch.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pentanet.data.tokenizer import bos_id
from pentanet.runtime.engine import Engine
from pentanet.runtime.forward import forward

TEMPERATURE = 0.8
CACHE = "float16"
_TOGETHER = 32  # texts that are written side by side


def write_windows(
    model: Path, count: int, length: int, *, threads: int, progress: Callable[[int, int], None], seed: int = 0
) -> Tensor:
    """Windows [count, length] of token ids that a model directory writes, each from the start of a text.

    The same model gives the same windows, whatever the machine and the number of threads.

    Args:
        model: a packed model directory that the native engine runs.
        count: number of texts.
        length: tokens of each, its start among them.
        threads: of the engine.
        progress: told how many of how many tokens are written.
        seed: of the draws.

    Raises:
        EngineError, UnsupportedModelError: the engine was not compiled, or does not run this model.
        NonFiniteActivationError: the weights make numbers that float32 cannot hold.
    """
    from pentanet._native import Session  # there where the engine was compiled

    random, found = np.random.Generator(np.random.PCG64(seed)), np.zeros((count, length), np.int32)
    with Engine.open(model, threads=threads, verify=False) as engine:
        begin = (engine.endings.start or (bos_id(engine.tokenizer),))[-1]
        for first in range(0, count, _TOGETHER):
            texts = found[first : first + _TOGETHER]
            # Without a token that begins a text, it begins with any.
            texts[:, 0] = random.integers(engine.model.vocab, size=len(texts)) if begin is None else begin
            session = Session(
                engine.model, sequences=len(texts), threads=engine.threads, cache=CACHE, activations=engine.activations
            )
            for at in range(1, length):
                logits = forward(session, texts[:, at - 1].copy(), [(i, 1) for i in range(len(texts))])
                # The largest sum with Gumbel noise is a draw from the softmax.
                texts[:, at] = (logits / TEMPERATURE + random.gumbel(size=logits.shape)).argmax(axis=1)
                progress(first * length + len(texts) * (at + 1), count * length)
    return torch.from_numpy(found.astype(np.int64))
