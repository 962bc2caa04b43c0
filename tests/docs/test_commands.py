"""Every command and every Python program that the documentation shows runs as it stands.

CONTRIBUTING.md, "Documentation", says what the comments above the fences mean.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [
    str(path.relative_to(ROOT))
    for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md")))
]
PROGRAMS = ("pentanet ", "python ", "pip ", "make ")
CHECKED, FORBIDDEN = ("console", "python"), ("bash", "sh", "shell", "pycon")

FENCE = re.compile(r"^(?P<indent> *)(?P<ticks>`{3,})(?P<language>[\w-]*)[^`]*$")
COMMENT = re.compile(r"^ *<!-- (?P<verb>run|show|continues)(?:: (?P<text>.+?))? -->$")
PENTANET = re.compile(r"^(pentanet\b(?:[^|;&\"']|\"[^\"]*\"|'[^']*')*)")


@dataclass(frozen=True, kw_only=True, slots=True)
class Fence:
    """A code fence that the tests look at; `line` is the number of its first line, `comment` stands above it."""

    line: int
    language: str
    comment: re.Match[str] | None
    body: tuple[str, ...]


def fences(text: str) -> Iterator[Fence]:
    """Every fence of a page that has a language."""
    lines = text.splitlines()
    at = 0
    while at < len(lines):
        opening = FENCE.match(lines[at])
        if opening is None:
            at += 1
            continue
        indent, ticks = opening["indent"], opening["ticks"]
        end = next(i for i in range(at + 1, len(lines)) if lines[i] == indent + ticks)
        comment = COMMENT.match(lines[at - 1]) if at else None
        body = tuple(line.removeprefix(indent) for line in lines[at + 1 : end])
        if opening["language"]:
            yield Fence(line=at + 1, language=opening["language"], comment=comment, body=body)
        at = end + 1


def commands(body: tuple[str, ...]) -> Iterator[str]:
    """The commands of a console fence: lines with "$ ", and those that a backslash carries on to."""
    lines = iter(body)
    for line in lines:
        if line.startswith("$ "):
            command = line[2:]
            while command.endswith("\\"):
                command = command[:-1] + next(lines).strip()
            yield command


def steps(text: str) -> list[tuple[int, list[str]]]:
    """What a page runs: line number and arguments of each process."""
    found: list[tuple[int, list[str]]] = []
    for fence in fences(text):
        if fence.comment is None or fence.comment["verb"] != "run":
            continue
        if fence.language == "python":
            found.append((fence.line, [sys.executable, "program.py", "\n".join(fence.body) + "\n"]))
            continue
        more = fence.comment["text"] or ""
        shell = ["bash", "-euo", "pipefail", "-c"]
        found += [(fence.line, [*shell, with_arguments(command, more)]) for command in commands(fence.body)]
    return found


def with_arguments(command: str, more: str) -> str:
    """A command of ours with further arguments, which win over its own; any other command as it is."""
    match = PENTANET.match(command)
    if match is None or not more:
        return command
    ours = match[1].rstrip()
    for option in re.findall(r"--(?!set\b)[\w-]+", more):
        ours = re.sub(rf" {option} \S+", "", ours)
    return f"{ours} {more} {command[match.end() :]}".rstrip()


def continued(text: str) -> str | None:
    """The page whose directory this one goes on with."""
    found = [match for line in text.splitlines() if (match := COMMENT.match(line)) and match["verb"] == "continues"]
    assert len(found) <= 1, "a page continues one other page"
    return found[0]["text"] if found else None


class Runner:
    """Runs pages, each at most once, and hands out what they left behind."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.done: dict[str, Path | None] = {}  # None while it runs, and for ever if it failed
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
        self.environment = {
            **os.environ,
            "PATH": path,
            "PENTANET_CACHE": str(base / "cache"),
            "HF_HUB_OFFLINE": "1",
            "COLUMNS": "100",
            "PYTHONWARNINGS": "error",
        }

    def run(self, page: str) -> Path:
        """The directory that the commands of `page` leave; a failed command is a failed test."""
        if page in self.done:
            return self.done[page] or pytest.fail(f"{page} failed")
        self.done[page] = None
        text = (ROOT / page).read_text(encoding="utf-8")
        folder = self.base / page.replace("/", "-").removesuffix(".md")
        before = continued(text)
        if before:
            shutil.copytree(self.run(before), folder)
        else:
            folder.mkdir(parents=True)
        for line, (program, *arguments) in steps(text):
            if arguments[0] == "program.py":
                (folder / "program.py").write_text(arguments.pop(), encoding="utf-8")
            done = subprocess.run(
                [program, *arguments], cwd=folder, env=self.environment, capture_output=True, text=True, timeout=300
            )
            said = f"{page}:{line}: {arguments[-1]}\nexit code {done.returncode}\n{done.stdout}{done.stderr}"
            assert done.returncode == 0, said
            assert "Traceback" not in done.stderr, said
        (folder / "program.py").unlink(missing_ok=True)
        self.done[page] = folder
        return folder


@pytest.fixture(scope="session")
def runner(tmp_path_factory):
    return Runner(tmp_path_factory.mktemp("docs"))


@pytest.mark.parametrize("page", PAGES)
def test_every_fence_says_whether_it_runs(page):
    for fence in fences((ROOT / page).read_text(encoding="utf-8")):
        where = f"{page}:{fence.line}"
        assert fence.language not in FORBIDDEN, (
            f"{where}: shell commands stand in console fences, Python in python ones"
        )
        if fence.language in CHECKED:
            assert fence.comment, f"{where}: put <!-- run --> or <!-- show: why --> on the line above the fence"
            assert fence.comment["verb"] in ("run", "show"), where
            assert fence.comment["verb"] == "run" or fence.comment["text"], f"{where}: say why it is only shown"
        if fence.language == "text" and not page.startswith("docs/lab/"):  # its entries are records, not instructions
            assert not [line for line in fence.body if line.startswith(PROGRAMS)], (
                f"{where}: commands need a console fence"
            )
        if fence.language == "console":
            assert list(commands(fence.body)), f"{where}: no line starts with '$ '"


@pytest.mark.slow
@pytest.mark.parametrize("page", [p for p in PAGES if steps((ROOT / p).read_text(encoding="utf-8"))])
def test_page_runs(page, runner):
    runner.run(page)


def test_tutorial_and_every_command_run():
    """The rest of this file is only as good as what it finds: the tutorial and each command are executed somewhere."""
    text = "\n".join(" ".join(arguments) for page in PAGES for _, arguments in steps((ROOT / page).read_text()))
    for command in (
        "data prepare",
        "train",
        "bench",
        "pack",
        "generate",
        "chat",
        "eval",
        "quantize",
        "finetune",
        "import",
        "export",
        "report",
        "inspect",
        "speed",
        "doctor",
    ):
        assert f"pentanet {command}" in text, command
    tutorial = steps((ROOT / "docs/tutorial.md").read_text())
    assert any("program.py" in arguments for _, arguments in tutorial)


SAMPLE = """
<!-- run: --steps 2 -->
```console
$ pentanet train nano --steps 60 \\
    --out run | cat
step 1
$ echo pentanet
```

```python
silent = 1
```

- item
  <!-- run -->
  ```python
  print("x")
  ```
"""


def test_commands_are_found_joined_and_shortened():
    first, second, third = steps(SAMPLE)
    assert first == (3, ["bash", "-euo", "pipefail", "-c", "pentanet train nano --out run --steps 2 | cat"])
    assert second[1][-1] == "echo pentanet"
    assert third[1][1:] == ["program.py", 'print("x")\n']
    assert [fence.comment is None for fence in fences(SAMPLE)] == [False, True, False]
