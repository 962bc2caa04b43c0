"""Stock llama.cpp, through the low-level functions of llama-cpp-python."""

from __future__ import annotations

import ctypes
import importlib
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pentanet.errors import BenchError, MissingExtraError
from pentanet.speed.settings import CONTEXT


def load() -> Any:
    """The package.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        return importlib.import_module("llama_cpp")
    except ModuleNotFoundError:
        raise MissingExtraError("llama-cpp-python", "llama", "measuring llama.cpp") from None


class Runner:
    """A model of llama.cpp and its cache of one sequence."""

    def __init__(self, package: Any, context: Any) -> None:
        self._package, self._context = package, context

    def reset(self, length: int) -> None:
        """Forget all but the first `length` tokens."""
        memory = self._package.llama_get_memory(self._context)
        self._package.llama_memory_seq_rm(memory, 0, length, -1)

    def forward(self, ids: Sequence[int]) -> None:
        """Append tokens and compute the logits after the last one."""
        array = (ctypes.c_int32 * len(ids))(*ids)
        batch = self._package.llama_batch_get_one(array, len(ids))
        if self._package.llama_decode(self._context, batch) != 0:
            raise BenchError("llama.cpp could not decode; its version may not know this kind of file")
        self._package.llama_synchronize(self._context)


@contextmanager
def model(package: Any, path: Path) -> Generator[Any]:
    """Open a GGUF file, as the program does by default: mapped, and repacked where it has kernels for that."""
    quiet = package.llama_log_callback(_say_nothing)
    package.llama_log_set(quiet, ctypes.c_void_p(0))
    package.llama_backend_init()
    found = package.llama_model_load_from_file(str(path).encode(), package.llama_model_default_params())
    if not found:
        raise BenchError(f"{path}: llama.cpp cannot open it; its version may not know this kind of file")
    try:
        yield found
    finally:
        package.llama_model_free(found)
        package.llama_log_set(package.llama_log_callback(0), ctypes.c_void_p(0))


@contextmanager
def runner(package: Any, opened: Any, threads: int) -> Generator[Runner]:
    """Run an open model with some threads."""
    parameters = package.llama_context_default_params()
    parameters.n_ctx, parameters.n_batch, parameters.n_ubatch = CONTEXT, 512, 512
    parameters.n_threads = parameters.n_threads_batch = threads
    context = package.llama_init_from_model(opened, parameters)
    if not context:
        raise BenchError("llama.cpp could not make a context")
    try:
        yield Runner(package, context)
    finally:
        package.llama_free(context)


def _say_nothing(level: int, text: bytes, data: int) -> None:
    pass
