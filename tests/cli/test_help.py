"""Help is there, is quick, and names what it always named."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pentanet import __version__
from pentanet.cli.app import COMMANDS, make_app

GOLDEN = Path(__file__).with_name("commands.txt")
NAMES = [name for name, _, _ in COMMANDS if name != "data"]
CALLS = [[], ["data"], ["data", "prepare"], *([name] for name in NAMES)]


@pytest.mark.parametrize("call", CALLS, ids=" ".join)
def test_help_of_every_command(call, pentanet):
    result = pentanet(*call, "--help")
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith(f"Usage: pentanet {' '.join(call)}".rstrip())


def test_help_lists_every_command(pentanet):
    text = pentanet("--help").out
    for name, _, help_text in COMMANDS:
        assert f" {name} " in text
        assert help_text in text


def test_version(pentanet):
    assert pentanet("--version").out == f"{__version__}\n"


def surface() -> str:
    """Every command with its arguments and options, one per line."""
    lines: list[str] = []
    for call in CALLS[2:]:
        app = make_app()
        for name in call:
            app = app[name]
        for argument in app.assemble_argument_collection():
            default = "required" if argument.required else repr(argument.field_info.default)
            kind = "option" if argument.index is None else f"argument {argument.index + 1}"
            lines.append(f"{' '.join(call):12} {' '.join(argument.names):20} {kind:10}  {default}")
    return "\n".join(lines) + "\n"


def test_commands_and_options_are_those_that_others_rely_on():
    """A new option is a new line in commands.txt; a line that goes or changes breaks somebody's script."""
    assert surface() == GOLDEN.read_text(encoding="utf-8")


def test_every_option_is_explained(pentanet):
    for call in CALLS[2:]:
        app = make_app()
        for name in call:
            app = app[name]
        for argument in app.assemble_argument_collection(parse_docstring=True):
            assert argument.parameter.help, (call, argument.names)


HEAVY = ("torch", "numpy", "scipy", "safetensors", "tokenizers", "jinja2", "rich.markdown", "pentanet.data")


def test_help_imports_nothing_heavy():
    program = (
        "import sys; from pentanet.cli import main\n"
        "try: main(sys.argv[1:])\n"
        f"finally: print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program, "--help"], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    assert "train" in done.stdout
