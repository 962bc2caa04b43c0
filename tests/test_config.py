"""Strict loading of dataclasses: every mistake has its message, and what is written is read back."""

from __future__ import annotations

import math
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pentanet.config import from_tree, read_toml, to_toml, to_tree, with_overrides
from pentanet.errors import ConfigError, MissingFileError, UnreadableFileError


@dataclass(frozen=True, kw_only=True)
class Round:
    shape: Literal["round"] = "round"
    radius: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Square:
    shape: Literal["square"] = "square"
    side: float = 2.0
    corners: int = 4


@dataclass(frozen=True, kw_only=True)
class Table:
    top: Round | Square
    legs: int
    name: str = "table"
    height: float = 0.75
    painted: bool = False
    finish: Literal["oil", "wax"] = "oil"
    spare: Square = field(default_factory=Square)


def load(**tree: Any) -> Table:
    return from_tree(Table, {"top": {}, "legs": 4, **tree}, "room.toml")


def test_defaults_and_values() -> None:
    assert load(legs=3, top={"shape": "square", "side": 1}) == Table(top=Square(side=1.0), legs=3)


def test_a_union_takes_the_member_that_is_named() -> None:
    assert load(top={"shape": "round"}).top == Round()
    assert load(top={}).top == Round()  # unnamed: the first
    assert load(top={"shape": "square"}).top == Square()


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({"hieght": 1.0}, r"room.toml: unknown key 'hieght'\. Did you mean 'height'\?"),
        ({"top": {"shape": "square", "cornres": 5}}, r"room.toml: top: unknown key 'cornres'.*'corners'\?"),
        ({"top": {"side": 1.0}}, r"room.toml: top: unknown key 'side'"),  # of the other member
        ({"spare": {"radius": 1.0}}, r"room.toml: spare: unknown key 'radius'"),
        ({"zzz": 1}, r"unknown key 'zzz'\. Known: finish, height, legs, name, painted, spare, top\."),
        ({"legs": 4.0}, r"room.toml: legs: expected int, got 4\.0"),
        ({"legs": "4"}, r"room.toml: legs: expected int, got '4'"),
        ({"legs": True}, r"room.toml: legs: expected int, got True"),
        ({"height": True}, r"room.toml: height: expected float, got True"),
        ({"height": "1"}, r"room.toml: height: expected float"),
        ({"painted": 1}, r"room.toml: painted: expected bool, got 1"),
        ({"name": 5}, r"room.toml: name: expected str, got 5"),
        ({"name": ["a"]}, r"room.toml: name: expected str"),
        ({"finish": "waxx"}, r"room.toml: finish: 'waxx' is not one of its values\. Did you mean 'wax'\?"),
        ({"finish": ["wax"]}, r"room.toml: finish: \['wax'\] is not one of its values"),
        ({"top": {"shape": "sqare"}}, r"room.toml: top.shape: 'sqare'.*Did you mean 'square'\?"),
        ({"top": "square"}, r"room.toml: top: expected a table, got 'square'"),
        ({"spare": 3}, r"room.toml: spare: expected a table, got 3"),
    ],
)
def test_mistakes_name_key_and_fix(tree: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load(**tree)


def test_a_missing_value_is_named() -> None:
    with pytest.raises(ConfigError, match=r"room.toml: 'legs' is missing"):
        from_tree(Table, {"top": {}}, "room.toml")


def test_whole_numbers_become_floats() -> None:
    height = load(height=1).height
    assert type(height) is float


def test_overrides() -> None:
    tree = {"a": 1, "b": {"c": 2}}
    pairs = ["a=5", "b.d=1e-3", "b.e = true", "f.g.h=words are strings", 'i="7"', "j=", "k=x=y"]
    assert with_overrides(tree, pairs) == {
        "a": 5,
        "b": {"c": 2, "d": 1e-3, "e": True},
        "f": {"g": {"h": "words are strings"}},
        "i": "7",
        "j": "",
        "k": "x=y",
    }
    assert tree == {"a": 1, "b": {"c": 2}}


@pytest.mark.parametrize(
    ("pair", "message"),
    [("steps", r"--set steps: expected key=value"), ("a.b.c=1", r"--set a.b.c=1: 'b' is a value, not a table")],
)
def test_overrides_that_make_no_sense(pair: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        with_overrides({"a": {"b": 1}}, [pair])


def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"nothing\.toml"):
        read_toml(tmp_path / "nothing.toml")
    with pytest.raises(UnreadableFileError, match="cannot be read"):
        read_toml(tmp_path)
    file = tmp_path / "bad.toml"
    file.write_text("steps = 1\nseed == 2\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"bad.toml: not a TOML file: .*line 2"):
        read_toml(file)
    file.write_bytes(b"name = '\xff'\n")
    with pytest.raises(ConfigError, match=r"bad.toml: not a TOML file"):
        read_toml(file)


def test_a_date_is_a_value_of_the_wrong_type(tmp_path: Path) -> None:
    file = tmp_path / "date.toml"
    file.write_text("legs = 2026-01-01\n[top]\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="legs: expected int"):
        from_tree(Table, with_overrides(read_toml(file), []), "date.toml")


TABLES = st.builds(
    Table,
    top=st.one_of(
        st.builds(Round, radius=st.floats(allow_nan=False)),
        st.builds(Square, side=st.floats(allow_nan=False), corners=st.integers()),
    ),
    legs=st.integers(),
    name=st.text(),
    height=st.floats(allow_nan=False),
    painted=st.booleans(),
    finish=st.sampled_from(["oil", "wax"]),
)


@given(TABLES)
def test_what_is_written_is_read_back(table: Table) -> None:
    text = to_toml(table)
    assert from_tree(Table, tomllib.loads(text), "text") == table
    assert from_tree(Table, to_tree(table), "tree") == table
    assert to_toml(from_tree(Table, tomllib.loads(text), "text")) == text


def test_strings_and_numbers_that_json_and_toml_write_differently() -> None:
    table = load(name='"\\\x7f\U0001f600\n\x00', height=math.inf)
    assert from_tree(Table, tomllib.loads(to_toml(table)), "text") == table


def test_layout_of_the_file() -> None:
    text = to_toml(load(top={"shape": "square"}))
    assert text.startswith('legs = 4\nname = "table"\nheight = 0.75\npainted = false\nfinish = "oil"\n\n[top]\nshape')
