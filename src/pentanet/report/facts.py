"""What was run, as label and value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, cast

from pentanet.report.formats import finite, number, percent
from pentanet.report.records import Bench
from pentanet.report.runs import Run

_WORDS = {
    "kv_heads": "heads of keys and values",
    "head_dim": "width of a head",
    "hidden": "hidden width",
    "window": "attention window",
    "rope_theta": "rotary base",
    "norm_eps": "epsilon of norms",
    "init_std": "initial deviation",
    "init_gain": "initial gain",
}
_UNSET = ("head_dim", "window")  # zero says that the network has none of its own


def facts(bench: Bench, runs: Sequence[Run]) -> list[tuple[str, str]]:
    """Data, model, budget, machine and version, each in one line; what the summary does not say is left out."""
    get = bench.facts.get
    rows = [
        ("Data", _data(_mapping(get("data")))),
        ("Model", _model(_mapping(get("model")))),
        ("Budget per run", _join([_count(get("steps"), "steps"), _count(get("tokens"), "tokens")])),
        ("Runs", _runs(bench)),
        ("Machine", _machine(_mapping(get("machine")))),
        ("Version", _version(bench, runs)),
    ]
    return [(label, value) for label, value in rows if value]


def _mapping(value: Any) -> Mapping[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _join(parts: Sequence[str]) -> str:
    return ", ".join(part for part in parts if part)


def _count(value: Any, what: str) -> str:
    count = finite(value)
    return "" if count is None else f"{number(count, 0)} {what}"


def _data(data: Mapping[str, Any]) -> str:
    tokens = data.get("tokens")
    if isinstance(tokens, dict):
        counts = _join([_count(n, f"{split} tokens") for split, n in cast("dict[str, Any]", tokens).items()])
    else:
        counts = _count(tokens, "tokens")
    fingerprint = data.get("fingerprint")
    mark = f"fingerprint {str(fingerprint)[:12]}" if fingerprint else ""
    vocab = finite(data.get("vocab"))
    vocabulary = "" if vocab is None else f"vocabulary {number(vocab, 0)}"
    return _join([str(data.get("name") or ""), counts, vocabulary, mark])


def _model(model: Mapping[str, Any]) -> str:
    total, quantized = finite(model.get("parameters")), finite(model.get("quantized_parameters"))
    parts = [_count(total, "parameters")]
    if total and quantized is not None:
        parts.append(f"{percent(quantized / total, 1)} of them quantized")
    known = ("parameters", "quantized_parameters")
    parts += [
        f"{_WORDS.get(key, key.replace('_', ' '))} {value}"
        for key, value in model.items()
        if key not in known and _is_plain(value) and not (key in _UNSET and value == 0)
    ]
    return _join(parts)


def _is_plain(value: Any) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)


def _runs(bench: Bench) -> str:
    count = sum(len(arm.seeds) for arm in bench.arms)
    seeds = bench.seeds
    return (
        f"{count}: {len(bench.arms)} method{'s' if len(bench.arms) != 1 else ''}, "
        f"seed{'s' if len(seeds) != 1 else ''} {', '.join(seeds)}"
    )


def _machine(machine: Mapping[str, Any]) -> str:
    torch = f"torch {machine['torch']}" if machine.get("torch") else ""
    isa = machine.get("isa")
    sets = " ".join(map(str, cast("list[Any]", isa))) if isinstance(isa, list) else str(isa or "")
    return _join(
        [
            str(machine.get("cpu") or ""),
            sets,
            _count(machine.get("cores"), "cores"),
            torch,
            str(machine.get("os") or ""),
        ]
    )


def _version(bench: Bench, runs: Sequence[Run]) -> str:
    version = str(bench.facts.get("version") or "")
    commit = bench.facts.get("commit") or next((r.record["commit"] for r in runs if r.record.get("commit")), None)
    return _join([f"pentanet {version}" if version else "", f"commit {str(commit)[:12]}" if commit else ""])


def moment(value: Any) -> str:
    """An ISO 8601 time as people write it; anything else as it stands."""
    try:
        time = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return "" if value is None else str(value)
    # Not strftime: its month names and padding depend on the machine.
    month = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ][time.month - 1]
    return f"{time.day} {month} {time.year}, {time:%H:%M} {time.tzname() or ''}".strip()
