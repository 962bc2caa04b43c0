"""Losses of the first steps of every method, pinned: a wrong change that still converges is seen.

python tools/golden_losses.py            write tests/training/golden_losses.json anew
python tools/golden_losses.py ternary    print the losses of one case

A change that means to alter the numbers commits the new file, and says why.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

from pentanet.data.dataset import Dataset, Record, TokenStream
from pentanet.machine import machine
from pentanet.quant import METHODS
from pentanet.training.loop import Loop, Progress
from pentanet.training.presets import load_config
from pentanet.training.signals import StopRequest

FILE = Path(__file__).parents[1] / "tests/training/golden_losses.json"
STEPS, VOCAB = 20, 256
SMALL = ("layers=2", "width=64", "heads=2", "kv_heads=2", "hidden=128", "context=32")
# The recipe of nano in float32, which every machine has, with what makes machines differ kept small.  Their last bits
# differ; AdamW makes a whole step of a gradient that is nothing but such bits (eps), and a weight that stands at a
# threshold takes another level (rates; embedding and head without levels).
RECIPE = (
    *("precision=float32", "device=cpu", f"steps={STEPS}", f"eval_every={STEPS}", "batch.size=4", "log_every=1000"),
    *("optimizer.lr=0.01", "optimizer.muon_lr=0.002", "optimizer.eps=1e-4", "schedule.warmup=4"),
    *("weights.embedding=float32", "weights.head=float32"),
)
SHOWN = (1, 2, 3, 4, 5, 10, 20)

# What stands beside a method and has rounding of its own.
BESIDE = {
    **{
        f"pentanary with {name} inputs": ("pentanary", f"weights.activations={name}")
        for name in ("elastic8", "elastic2", "int8")
    },
    "quest-hadamard-ternary with hadamard8 inputs": ("quest-hadamard-ternary", "weights.activations=hadamard8"),
    "lsq-pentanary from half of the steps": ("lsq-pentanary", "weights.start=0.5"),
    "pentanary annealed": ("pentanary", "weights.anneal=0.5"),
}
CASES: dict[str, tuple[str, ...]] = {**{name: (name,) for name in METHODS}, **BESIDE}


class Drawn(Dataset):
    """Tokens of a Markov chain: each is followed by one of four, so that there is something to learn."""

    def __init__(self) -> None:
        nothing = dict.fromkeys(("name", "description", "licence", "tokenizer", "tokenizer_sha256"), "")
        record = Record(
            **nothing, vocab=VOCAB, dtype="uint16", eos="none", eos_id=None, splits={}, fingerprint="", recipe=""
        )
        super().__init__(Path("drawn"), record)
        random = np.random.RandomState(0)  # a stream that numpy keeps as it is
        following, choices = random.randint(0, VOCAB, (VOCAB, 4)), random.randint(0, 4, 8_000)
        tokens = [0]
        for choice in choices:
            tokens.append(int(following[tokens[-1], choice]))
        self._drawn = np.array(tokens, np.uint16)

    def split(self, name: str) -> TokenStream:
        return TokenStream(self._drawn[:6_000] if name == "train" else self._drawn[6_000:], name)


def losses(case: str, folder: Path) -> list[float]:
    """Training losses of the steps SHOWN, and the validation loss after the last, in nats per token."""
    name, *settings = CASES[case]
    model = (f"model.{pair}" for pair in SMALL)
    config = load_config("nano", [*model, *RECIPE, f'weights.method="{name}"', *settings])
    told: dict[int, Progress] = {}
    Loop(config, Drawn(), folder, print).run(StopRequest(), lambda progress: told.update({progress.step: progress}))
    last = told[STEPS].val_loss
    assert last is not None
    return [*(told[step].loss for step in SHOWN), last]


def all_losses(cases: list[str]) -> dict[str, list[float]]:
    """`losses` of each case, to the digits that are written."""
    torch.set_num_threads(1)
    found: dict[str, list[float]] = {}
    for case in cases:
        with tempfile.TemporaryDirectory() as folder:
            found[case] = [round(loss, 5) for loss in losses(case, Path(folder))]
    return found


def here() -> str:
    """What decides the last bits of a run on one thread."""
    capability = torch.backends.cpu.get_cpu_capability()
    return f"{machine().cpu}{_processor()}, {capability}, torch {torch.__version__}"


def _processor() -> str:
    """Family and model where Linux tells: a rented machine hides the name, and sums go by the sizes of caches too."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    facts = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    return "".join(f" {key} {facts[key]}" for key in ("cpu family", "model") if key in facts)


def as_text(found: dict[str, list[float]]) -> str:
    """The file: one case a line, so that a difference reads well."""
    lines = ",\n".join(f"{json.dumps(case)}: {values}" for case, values in sorted(found.items()))
    return f'{{"machine": {json.dumps(here())}, "steps": {json.dumps(SHOWN)}, "losses": {{\n{lines}\n}}}}\n'


if __name__ == "__main__":
    if cases := sys.argv[1:]:
        sys.stdout.write(as_text(all_losses(cases)))
    else:
        FILE.write_text(as_text(all_losses(list(CASES))), encoding="utf-8")
        print(f"{FILE}: written", file=sys.stderr)
