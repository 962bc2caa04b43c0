"""The subcommands by name, and what errors become on the way out.

Only the standard library, cyclopts and rich are imported before a subcommand runs: `pentanet --help` must be quick.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence

from cyclopts import App, CycloptsError, Parameter

from pentanet import __version__
from pentanet.errors import PentaNetError

COMMANDS = (
    ("data", "data:app", "Turn text into token streams on disk."),
    ("train", "train:train", "Train one model from a preset, or continue a run."),
    ("bench", "bench:bench", "Train several weight methods alike and compare them."),
    ("quantize", "quantize:quantize", "Turn a pretrained model into a packed model directory."),
    ("finetune", "finetune:finetune", "Teach a quantized model what its original predicts."),
    ("pack", "pack:pack", "Turn a training run into a packed model directory."),
    ("import", "imports:import_model", "Read a model that another program quantized."),
    ("export", "export:export", "Write a packed model for llama.cpp."),
    ("archive", "archive:archive", "Write a packed model as one file, as small as it can be."),
    ("unarchive", "archive:unarchive", "Make the model directory of an archive again."),
    ("generate", "generate:generate", "Write text with a packed model."),
    ("chat", "chat:chat", "Talk to a packed model in the terminal."),
    ("eval", "evaluate:evaluate", "Measure a packed model on text."),
    ("methods", "methods:methods", "List the weight methods."),
    ("presets", "presets:presets", "List the presets that train takes."),
    ("report", "report:report", "Draw the page of a finished benchmark."),
    ("inspect", "inspect:inspect", "Show what a packed model directory holds."),
    ("speed", "speed:speed", "Measure the engine beside what this machine can do at most."),
    ("doctor", "doctor:doctor", "Say what this machine offers, and test the installation."),
)
RENAMED = {
    ("eval", "--data"): "--text",
    ("eval", "--tokens"): "--limit",
    ("quantize", "--tokens"): "--limit",
    ("finetune", "--text"): "--data",
}
"""Options by command that had another name: `--data` is what is learned from, `--text` what is measured, `--limit` how
much of it, `--calibration` what is quantized with, and `--tokens` how many are written."""


def make_app() -> App:
    """The command line, with every subcommand still unloaded."""
    app = App(
        name="pentanet",
        help="Language models whose weights take five levels: train, pack, run and measure them.",
        help_format="plaintext",  # markdown costs a third of the time of --help
        version=__version__,
        default_parameter=Parameter(show_default=_is_worth_showing),
        exit_on_error=False,
        print_error=False,
        result_action="return_value",
        suppress_keyboard_interrupt=False,
    )
    for name, target, help_text in COMMANDS:
        app.command(f"pentanet.cli.{target}", name=name, help=help_text)
    return app


def _is_worth_showing(default: object) -> str | None:
    """Defaults that say something: not those that stand for "off" or "as in the preset"."""
    return str(default) if default or isinstance(default, float) else None


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit.

    Exit codes: 0 done; 1 something else than the user's input failed; 2 a mistake that the user can mend; 130 and 143
    stopped by Ctrl-C or SIGTERM, with everything saved.
    """
    try:
        make_app()(arguments)
        sys.stdout.flush()  # here and not at exit, where nobody could catch what goes wrong
    except CycloptsError as error:
        _fail(_usage(error), 2)
    except PentaNetError as error:
        _fail(str(error), error.exit_code)
    except KeyboardInterrupt as error:
        number = getattr(error, "signal", signal.SIGINT)
        _fail(str(error) or "stopped", 128 + number)
    except BrokenPipeError:  # the reader of our output went away, as `head` does
        _give_up_output()
        sys.exit(1)
    except OSError as error:
        _give_up_output()
        _fail(f"{error.filename or 'input/output'}: {error.strerror or error}", 1)


def _usage(error: CycloptsError) -> str:
    """What is wrong with the command line, and the help of the command that was meant."""
    command = " ".join(("pentanet", *(error.command_chain or ())))
    for token in error.root_input_tokens or ():  # whatever it fails at first: without its new name, one may be missing
        old = token.split("=")[0]
        if new := RENAMED.get((command.removeprefix("pentanet "), old)):
            return f"{old} is now {new}. See: {command} --help"
    return f"{' '.join(str(error).split())} See: {command} --help"


def _give_up_output() -> None:
    """Write the rest of the output to nowhere, so that Python does not fail on it once more at exit."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fail(message: str, code: int) -> None:
    print(f"pentanet: {message}", file=sys.stderr)
    sys.exit(code)
