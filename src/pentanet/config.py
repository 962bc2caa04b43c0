"""Strict loading of frozen dataclasses: from TOML, from `key=value` pairs, and back to TOML.

An unknown key is an error that names the nearest known one; a value of the wrong type is an error that names the key.
"""

from __future__ import annotations

import copy
import dataclasses
import json
import math
import tomllib
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, cast

from pentanet.errors import ConfigError, MissingFileError, UnknownKeyError, UnreadableFileError, did_you_mean

T = TypeVar("T")
Tree = dict[str, Any]
MEMBERS = "members"
"""Key of a field's metadata: see `from_tree`."""


def read_toml(path: Path) -> Tree:
    """Parse a TOML file.

    Raises:
        MissingFileError, UnreadableFileError: no such file, or not one that can be read.
        ConfigError: not TOML; names the line.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise MissingFileError(path, "Name a preset, or the path of a .toml file.") from None
    except OSError as error:
        raise UnreadableFileError(path, error) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not a TOML file: {error}") from error


def with_overrides(tree: Tree, pairs: list[str]) -> Tree:
    """A copy of `tree` with `a.b=value` pairs set; values are written as in TOML, bare words are strings.

    Raises:
        ConfigError: a pair without `=`, or a path through something that is not a table.
    """
    result = copy.deepcopy(tree)
    for pair in pairs:
        path, equals, text = pair.partition("=")
        if not equals:
            raise ConfigError(f"--set {pair}: expected key=value, for example --set optimizer.lr=0.002")
        *tables, key = path.strip().split(".")
        node = result
        for table in tables:
            node = node.setdefault(table, {})
            if not isinstance(node, dict):
                raise ConfigError(f"--set {pair}: '{table}' is a value, not a table")
        node[key] = _toml_value(text.strip())
    return result


def _toml_value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def from_tree(kind: type[T], tree: Mapping[str, Any], where: str) -> T:
    """Build a dataclass from a tree of tables.

    A field whose type is a union of dataclasses takes the member whose first field (a one-word Literal such as
    `family`) the table names. So does a field with a function under `MEMBERS` in its metadata, which returns them: a
    union that is not closed.

    Raises:
        UnknownKeyError: a key that no field has.
        ConfigError: a wrong type, a missing value, or a value that the dataclass refuses.
    """
    fields = {f.name: f for f in dataclasses.fields(cast("Any", kind))}
    hints = typing.get_type_hints(kind)
    for key in tree:
        if key not in fields:
            raise UnknownKeyError(key, fields, where)
    missing = [
        name
        for name, f in fields.items()
        if name not in tree and f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise ConfigError(f"{where}: '{missing[0]}' is missing")
    given: dict[str, Any] = {}
    for key, value in tree.items():
        members = fields[key].metadata.get(MEMBERS)
        if members is None:
            given[key] = convert(hints[key], value, f"{where}: {key}")
        else:
            given[key] = _convert_union(members(), value, f"{where}: {key}")
    return kind(**given)


def convert(hint: Any, value: Any, where: str) -> Any:
    """The value that a field of type `hint` takes; raises ConfigError, which begins with `where`, for a wrong type."""
    origin = typing.get_origin(hint)
    if origin is typing.Literal:
        return _choice(typing.get_args(hint), value, where)
    if origin in (typing.Union, types.UnionType):
        return _convert_union(typing.get_args(hint), value, where)
    if dataclasses.is_dataclass(hint):
        if not isinstance(value, Mapping):
            raise ConfigError(f"{where}: expected a table, got {value!r:.200}")
        return from_tree(cast("type[Any]", hint), cast("Mapping[str, Any]", value), where)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            raise ConfigError(f"{where}: a number of {len(str(value))} digits is too large") from None
    if type(value) is not hint:
        raise ConfigError(f"{where}: expected {hint.__name__}, got {value!r:.200}")
    return value


def _choice(choices: tuple[Any, ...], value: Any, where: str) -> Any:
    if value not in choices:
        raise ConfigError(
            f"{where}: {value!r:.200} is not one of its values.{did_you_mean(str(value)[:200], map(str, choices))}"
        )
    return value


def _convert_union(members: tuple[Any, ...], value: Any, where: str) -> Any:
    """Pick the member of a union of dataclasses that `value` names by its first field."""
    if not isinstance(value, Mapping):
        raise ConfigError(f"{where}: expected a table, got {value!r:.200}")
    table = cast("Mapping[str, Any]", value)
    by_name = {typing.get_args(typing.get_type_hints(m)[dataclasses.fields(m)[0].name])[0]: m for m in members}
    key = dataclasses.fields(members[0])[0].name
    name = _choice(tuple(by_name), table.get(key, next(iter(by_name))), f"{where}.{key}")
    return from_tree(by_name[name], table, where)


def to_tree(config: Any) -> Tree:
    """The inverse of `from_tree`: plain tables and values."""
    return dataclasses.asdict(config)


def to_toml(config: Any) -> str:
    """Write a configuration of strings, numbers, booleans and nested dataclasses as TOML."""
    lines: list[str] = []

    def table(tree: Tree, path: str) -> None:
        plain = {key: value for key, value in tree.items() if not isinstance(value, dict)}
        if path:
            lines.append(f"\n[{path}]")
        lines.extend(f"{key} = {_literal(value)}" for key, value in plain.items())
        for key, value in tree.items():
            if isinstance(value, dict):
                table(cast("Tree", value), f"{path}.{key}" if path else key)

    table(to_tree(config), "")
    return "\n".join(lines).lstrip("\n") + "\n"


def _literal(value: Any) -> str:
    """A string, number or boolean: JSON and TOML write them alike, but for what stands here."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    # TOML has no surrogate pairs, so that nothing but control characters is escaped, and it counts DEL among them.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
