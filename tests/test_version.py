"""The version is the same everywhere that it stands."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from pentanet import __version__

ROOT = Path(__file__).parents[1]


def test_citation_names_this_version():
    text = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.findall(r"^version: (\S+)$", text, re.MULTILINE) == [__version__]


def test_changelog_begins_with_this_version():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## \[(.+?)\] - (unreleased|\d{4}-\d{2}-\d{2})$", text, re.MULTILINE)
    assert headings[0][0] == __version__
    assert text.count("\n## ") == len(headings), "every heading is '## [X.Y.Z] - date' or '- unreleased'"
    dates = [date for _, date in headings if date != "unreleased"]
    assert dates == sorted(dates, reverse=True)


def test_citation_has_the_date_of_a_release():
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    released = re.search(rf"^## \[{re.escape(__version__)}\] - (\d{{4}}-\d{{2}}-\d{{2}})$", changelog, re.MULTILINE)
    dated = re.search(r"^date-released: (\S+)$", citation, re.MULTILINE)
    assert (released and released[1]) == (dated and dated[1])


def test_project_takes_the_version_from_the_package():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["dynamic"] == ["version"]
    assert project["tool"]["scikit-build"]["metadata"]["version"]["input"] == "src/pentanet/__init__.py"
