"""The model card: README.md of a model directory, with the front matter that the Hugging Face hub reads.

It states facts of the run record and nothing else: a number that is not there is not printed.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

_FALLBACK_NAME = "Packed language model"


def _count(value: Any) -> str:
    return f"{value:,}"


def _decimals(value: Any) -> str:
    return f"{value:.4f}"


def _bits(value: Any) -> str:
    return f"{value:.3f} bits"


def _size(value: Any) -> str:
    for unit, step in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if value >= step:
            return f"{value / step:.2f} {unit}"
    return f"{value} B"


# (key of the facts, what the table calls it, how it is printed)
_FACTS: tuple[tuple[str, str, Callable[[Any], str]], ...] = (
    ("method", "Weight method", str),
    ("grid", "Grid", str),
    ("parameters", "Parameters", _count),
    ("quantized_parameters", "Quantized parameters", _count),
    ("bytes", "Size of model.safetensors", _size),
    ("file_bits_per_weight", "Whole file, per parameter", _bits),
    ("quantized_bits_per_weight", "Quantized tensors with scales, per weight", _bits),
    ("context", "Longest context, tokens", _count),
    ("vocab", "Vocabulary", _count),
    ("calibration", "Calibrated on", str),
    ("data", "Trained on", str),
    ("steps", "Training steps", _count),
    ("tokens", "Training tokens", _count),
    ("seed", "Seed", str),
    ("val_loss", "Validation loss, nats per token", _decimals),
    ("perplexity", "Validation perplexity", _decimals),
    ("bits_per_byte", "Validation bits per byte of text", _decimals),
    ("machine", "Machine", str),
    ("version", "PentaNet release", str),
)

_METRICS = (
    ("perplexity", "Validation perplexity"),
    ("val_loss", "Validation loss"),
    ("bits_per_byte", "Bits per byte"),
)


def model_card(facts: Mapping[str, Any]) -> str:
    """Write the card.

    Args:
        facts: a run record; each key may be missing or None, others are ignored.
            name: title of the card.
            made_from: the pretrained model that was quantized; missing for one that was trained here.
            imported: whether it came quantized.
            base_model: identifier of `made_from` on the hub, as "HuggingFaceTB/SmolLM2-135M".
            license_name, license_link: of a license that has no identifier.
            license: identifier of the hub, as "cc-by-sa-4.0"; "unknown" if missing.
            language: two letters, as "en".
            dataset: identifier on the hub, as "Salesforce/wikitext".
            method, title, grid: registry name and one-line description of the weight method; name of its grid.
            calibration: the text that a method of post-training quantization looked at.
            data, steps, tokens, seed, machine, version: what it was trained on, how long, where and with what.
            val_loss, perplexity, bits_per_byte: on the validation split of `data`.
            parameters, quantized_parameters: numbers of weights, as in `Inspection`.
            bytes, file_bits_per_weight, quantized_bits_per_weight: sizes, as in `Inspection`.
            context, vocab: sizes in tokens.

    Returns:
        Markdown, with YAML front matter.
    """
    given = {key: value for key, value in facts.items() if _is_given(value)}
    name = str(given.get("name", _FALLBACK_NAME))
    lines = ["---", *_front_matter(given, name), "---", "", f"# {_one_line(name)}", ""]
    title = f": {_one_line(given['title'])}" if "title" in given else ""
    method = f" with the weight method `{_one_line(given['method'])}`{title}" if "method" in given else ""
    lines += [
        f"{_origin(given)} by PentaNet{method}.",
        "Its weights are stored as small integer levels with float32 scales; what the file holds is, bit for bit, what "
        "the evaluation used.",
        "",
    ]
    table = [(label, show(given[key])) for key, label, show in _FACTS if key in given]
    if table:
        lines += ["## Facts", "", "| | |", "| --- | --- |", *(f"| {k} | {_one_line(v)} |" for k, v in table), ""]
    lines += [
        "## How to run it",
        "",
        "```console",
        '$ pentanet generate DIR --prompt "In the beginning"',
        "$ pentanet inspect DIR",
        "```",
        "",
        "`DIR` is the folder that holds this file. Any safetensors reader opens `model.safetensors`; `config.json` "
        "says which layout and grid each tensor has.",
        "",
        "## Limits",
        "",
        *_limits(given),
        "",
    ]
    return "\n".join(lines)


def _limits(given: Mapping[str, Any]) -> list[str]:
    if "made_from" in given:  # whether that one was aligned or filtered is not known here
        return [
            f"Those of `{_one_line(given['made_from'])}`, whose card says what it was trained on and for, and on which "
            "terms it may be used; and what coarse weights add: nothing was tested again for facts, bias or safety.",
        ]
    return [
        "It writes text that looks like what it was trained on. It was not aligned, filtered or tested for facts, "
        "bias or safety.",
    ]


def _origin(given: Mapping[str, Any]) -> str:
    if given.get("imported"):
        return (
            f"The quantized language model `{_one_line(given['made_from'])}`, imported {_one_line(given['imported'])}"
        )
    if "made_from" in given:
        return f"The pretrained language model `{_one_line(given['made_from'])}`, quantized after its training"
    return "A language model trained and packed"


def _front_matter(given: Mapping[str, Any], name: str) -> list[str]:
    tags = ["pentanet", "quantized", *(str(given[key]) for key in ("method", "grid") if key in given)]
    lines = [f"license: {_yaml(given.get('license', 'unknown'))}"]
    lines += [f"{key}: {_yaml(given[key])}" for key in ("license_name", "license_link") if key in given]
    if "base_model" in given:
        lines += [f"base_model: {_yaml(given['base_model'])}", "base_model_relation: quantized"]
    if "language" in given:
        lines += ["language:", f"- {_yaml(given['language'])}"]
    lines += ["library_name: pentanet", "pipeline_tag: text-generation", "tags:"]
    lines += [f"- {_yaml(tag)}" for tag in dict.fromkeys(tags)]
    if "dataset" in given:
        lines += ["datasets:", f"- {_yaml(given['dataset'])}"]
    metrics = [(key, label) for key, label in _METRICS if key in given]
    if metrics and "data" in given:
        lines += ["model-index:", f"- name: {_yaml(name)}", "  results:", "  - task:", "      type: text-generation"]
        lines += ["    dataset:", f"      name: {_yaml(given['data'])}"]
        lines += [
            f"      type: {_yaml(given.get('dataset', given['data']))}",
            "      split: validation",
            "    metrics:",
        ]
        for key, label in metrics:
            lines += [f"    - type: {key}", f"      name: {label}", f"      value: {given[key]}"]
    return lines


def _is_given(value: Any) -> bool:
    return value is not None and value != "" and not (isinstance(value, float) and not math.isfinite(value))


def _one_line(value: Any) -> str:
    return " ".join(str(value).split()).replace("|", "\\|")


def _yaml(value: Any) -> str:
    """A JSON string is a YAML string, whatever is in it."""
    return json.dumps(" ".join(str(value).split()), ensure_ascii=False)
