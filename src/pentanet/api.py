"""The Python functions behind the commands, under one roof.

    from pentanet.api import bench, doctor, evaluate, export, finetune, generate, inspect, load, load_config
    from pentanet.api import pack, prepare, quantize, report, reseal, speed, train

Each has the name and the meaning of its command (`eval` is `evaluate`: the other is a builtin of Python).  A preset
becomes a configuration with `load_config`.  A packed directory runs in an `Engine`; `load` opens
the slow reference in torch.
"""

from pentanet.archive.read import unarchive
from pentanet.archive.write import archive
from pentanet.bench.run import bench
from pentanet.bench.suites import suite
from pentanet.data.cache import open_or_prepare
from pentanet.data.prepare import prepare
from pentanet.doctor import doctor
from pentanet.evaluation.choices import evaluate_choices, read_questions
from pentanet.evaluation.perplexity import evaluate
from pentanet.evaluation.sliding import evaluate_text, read_text
from pentanet.finetuning.config import FinetuneConfig
from pentanet.finetuning.run import finetune
from pentanet.format.reseal import reseal
from pentanet.integrations.gguf.export import export
from pentanet.integrations.harness import evaluate_tasks
from pentanet.integrations.imported.run import import_model
from pentanet.ptq.config import QuantizeConfig
from pentanet.ptq.run import quantize
from pentanet.report import report
from pentanet.runtime.engine import Engine
from pentanet.runtime.inspect import inspect
from pentanet.runtime.load import load
from pentanet.runtime.sampling import Sampling
from pentanet.sources.open import open_source
from pentanet.sources.running import generate
from pentanet.speed import speed, speed_settings
from pentanet.training.pack import pack
from pentanet.training.plan import plan
from pentanet.training.presets import load_config
from pentanet.training.run import train

__all__ = [
    "Engine",
    "FinetuneConfig",
    "QuantizeConfig",
    "Sampling",
    "archive",
    "bench",
    "doctor",
    "evaluate",
    "evaluate_choices",
    "evaluate_tasks",
    "evaluate_text",
    "export",
    "finetune",
    "generate",
    "import_model",
    "inspect",
    "load",
    "load_config",
    "open_or_prepare",
    "open_source",
    "pack",
    "plan",
    "prepare",
    "quantize",
    "read_questions",
    "read_text",
    "report",
    "reseal",
    "speed",
    "speed_settings",
    "suite",
    "train",
    "unarchive",
]
