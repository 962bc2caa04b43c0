"""Tell transformers of our model directories when somebody imports it, and not before.

transformers looks a quantization method up in a table that a plug-in fills when it is imported; there are no entry
points.  So that `import pentanet` is all that a user needs, and still imports nothing, this waits for transformers:
the one exception to the rule that importing a module of ours does nothing but define names.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

AWAITED = "transformers.quantizers"
PLUGIN = "pentanet.integrations.hf"


def install() -> None:
    """Register the plug-in now if transformers is there, or when it comes."""
    if AWAITED in sys.modules:
        _register()
    elif not any(isinstance(finder, _Waiting) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Waiting())


class _Waiting:
    """A finder on sys.meta_path that finds nothing itself: it adds a step to the import of one module, and goes."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != AWAITED:
            return None
        from importlib.util import find_spec

        sys.meta_path.remove(self)
        spec = find_spec(fullname)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def execute_and_register(module: ModuleType) -> None:
                execute(module)
                _register()

            spec.loader.exec_module = execute_and_register
        return spec


def _register() -> None:
    try:
        importlib.import_module(PLUGIN)
    except ImportError as error:  # a version that has other names must not become unusable through us
        text = f"pentanet does not know this version of transformers, which cannot open its models: {error}"
        warnings.warn(text, stacklevel=2)
