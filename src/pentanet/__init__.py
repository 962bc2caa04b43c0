"""Language models with five-level weights: train, pack, run and measure them.

    import pentanet

    with pentanet.Engine.open("model") as engine:
        print("".join(engine.generate("In the beginning")))

What stands in `__all__` is imported when it is first asked for, so that `import pentanet` itself costs nothing.
`pentanet.api` has the rest of the functions behind the commands.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from pentanet.integrations import hook

if TYPE_CHECKING:
    from pentanet.evaluation.perplexity import evaluate
    from pentanet.finetuning.run import finetune
    from pentanet.integrations.gguf.export import export
    from pentanet.nn.convert import quantize_
    from pentanet.ptq.run import quantize
    from pentanet.runtime.engine import Engine
    from pentanet.runtime.inspect import inspect
    from pentanet.runtime.load import load
    from pentanet.sources.running import generate
    from pentanet.training.run import train

__version__ = "0.1.0"

__all__ = [
    "Engine",
    "__version__",
    "evaluate",
    "export",
    "finetune",
    "generate",
    "inspect",
    "load",
    "quantize",
    "quantize_",
    "train",
]

_PLACES = {
    "Engine": "runtime.engine",
    "evaluate": "evaluation.perplexity",
    "export": "integrations.gguf.export",
    "finetune": "finetuning.run",
    "generate": "sources.running",
    "inspect": "runtime.inspect",
    "load": "runtime.load",
    "quantize": "ptq.run",
    "quantize_": "nn.convert",
    "train": "training.run",
}

hook.install()


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'pentanet' has no attribute '{name}'")
    found = getattr(importlib.import_module(f"pentanet.{_PLACES[name]}"), name)
    globals()[name] = found  # the next time it is a plain attribute
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
