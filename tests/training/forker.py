"""Trains in forked copies of one process that has torch loaded already, so that many runs die in little time.

Each line of the input is one run: {"config": TOML text, "dataset": folder, "out": folder, "die_at": N or 0}.  The
answers are {"pid": N} when it begins, and {"status": S, "changes": N} at its end: exit status (negative for the signal
that ended it, 3 for a run that was asked to stop and saved) and, of a run that ended by itself, how often it changed
a file or folder in `out`.  With `die_at` it is killed just before that change.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tomllib
from pathlib import Path
from typing import Any

import torch._dynamo  # noqa: F401  the first step of an optimizer would import it, in each copy

from pentanet.config import from_tree
from pentanet.data.dataset import Dataset
from pentanet.training.config import TrainConfig
from pentanet.training.run import Interrupted, train

CHANGES = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.truncate", "os.chmod", "shutil.rmtree"}


def watch(out: str, die_at: int) -> list[int]:
    """Count changes below `out`; die before one of them."""
    count = [0]

    def hook(event: str, args: tuple[Any, ...]) -> None:
        opened_to_write = event == "open" and isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR)
        if (opened_to_write or event in CHANGES) and str(args[0]).startswith(out):
            count[0] += 1
            if count[0] == die_at:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    return count


def run(job: dict[str, Any], answers: int) -> None:
    """Train, and leave without going back."""
    count = watch(job["out"], job["die_at"])
    config = from_tree(TrainConfig, tomllib.loads(job["config"]), "job")
    code = 1
    try:
        train(config, Path(job["out"]), Dataset.open(job["dataset"]))
        code = 0
    except Interrupted:
        code = 3
    finally:
        os.write(answers, str(count[0]).encode())
        os._exit(code)


def main() -> None:
    """Serve until the input ends."""
    for line in sys.stdin:
        job = json.loads(line)
        ours, theirs = os.pipe()
        pid = os.fork()
        if pid == 0:
            run(job, theirs)
        os.close(theirs)
        print(json.dumps({"pid": pid}), flush=True)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        print(json.dumps({"status": status, "changes": int(os.read(ours, 99) or 0)}), flush=True)
        os.close(ours)


if __name__ == "__main__":
    main()
