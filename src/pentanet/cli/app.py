"""The subcommands by name, and what errors become on the way out.

Only the standard library, cyclopts and rich are imported before a subcommand runs: `pentanet --help` must be quick.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence

from cyclopts import App

from pentanet import __version__
from pentanet.errors import PentaNetError

COMMANDS = (
    ("data", "data:app", "Turn text into token streams on disk."),
    ("train", "train:train", "Train one model from a preset, or continue a run."),
    ("bench", "bench:bench", "Train several weight methods alike and compare them."),
    ("pack", "pack:pack", "Turn a training run into a packed model directory."),
    ("generate", "generate:generate", "Write text with a packed model."),
    ("eval", "evaluate:evaluate", "Measure a packed model on text."),
    ("report", "report:report", "Draw the page of a finished benchmark."),
    ("inspect", "inspect:inspect", "Show what a packed model directory holds."),
    ("doctor", "doctor:doctor", "Say what this machine offers, and test the installation."),
)


def make_app() -> App:
    """The command line, with every subcommand still unloaded."""
    app = App(
        name="pentanet",
        help="Language models whose weights take five levels: train, pack, run and measure them.",
        version=__version__,
        result_action="return_value",
    )
    for name, target, help_text in COMMANDS:
        app.command(f"pentanet.cli.{target}", name=name, help=help_text)
    return app


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit.

    Exit codes: 0 done; 1 something else than the user's input failed; 2 a mistake that the user can mend; 130 and 143
    stopped by Ctrl-C or SIGTERM, with everything saved.
    """
    try:
        make_app()(arguments)
    except PentaNetError as error:
        _fail(str(error), error.exit_code)
    except KeyboardInterrupt as error:
        number = getattr(error, "signal", signal.SIGINT)
        _fail(str(error) or "stopped", 128 + number)
    except BrokenPipeError:  # the reader of our output went away, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        _fail(f"{error.filename or 'input/output'}: {error.strerror or error}", 1)


def _fail(message: str, code: int) -> None:
    print(f"pentanet: {message}", file=sys.stderr)
    sys.exit(code)
