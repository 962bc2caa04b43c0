"""The card: valid front matter, facts and nothing but facts."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from huggingface_hub import ModelCard

from pentanet.format.card import model_card

FACTS: dict[str, Any] = {
    "name": "nano pentanary",
    "license": "mit",
    "language": "en",
    "dataset": "Salesforce/wikitext",
    "method": "pentanary",
    "title": "five levels, row scale at the optimum",
    "grid": "pentanary",
    "data": "WikiText-2",
    "steps": 1200,
    "tokens": 4915200,
    "seed": 0,
    "val_loss": 4.56789,
    "perplexity": 96.3443,
    "bits_per_byte": 1.6054,
    "parameters": 1_234_567,
    "quantized_parameters": 1_000_000,
    "bytes": 812_345,
    "file_bits_per_weight": 5.264,
    "quantized_bits_per_weight": 2.352,
    "context": 256,
    "vocab": 4096,
}


def front_matter(card: str) -> dict[str, Any]:
    _, matter, _ = card.split("---\n", 2)
    return yaml.safe_load(matter)


def test_the_hub_reads_it() -> None:
    data = ModelCard(model_card(FACTS)).data
    assert (data.license, data.library_name, data.pipeline_tag) == ("mit", "pentanet", "text-generation")
    assert data.tags == ["pentanet", "quantized", "pentanary"]
    assert (data.language, data.datasets) == (["en"], ["Salesforce/wikitext"])
    results = {result.metric_type: result for result in data.eval_results or []}
    assert results["perplexity"].metric_value == FACTS["perplexity"]
    assert results["val_loss"].dataset_name == "WikiText-2"
    assert results["val_loss"].dataset_split == "validation"


def test_facts() -> None:
    card = model_card(FACTS)
    for line in (
        "# nano pentanary",
        "| Weight method | pentanary |",
        "| Training tokens | 4,915,200 |",
        "| Validation loss, nats per token | 4.5679 |",
        "| Validation perplexity | 96.3443 |",
        "| Size of model.safetensors | 812.35 kB |",
        "| Quantized tensors with scales, per weight | 2.352 bits |",
        "| Seed | 0 |",
        '$ pentanet generate DIR --prompt "In the beginning"',
    ):
        assert line in card.splitlines()
    assert "`pentanary`: five levels, row scale at the optimum." in card
    assert card.endswith(".\n")


@pytest.mark.parametrize("absent", ["None", "missing", "nan"])
def test_what_is_not_known_is_not_printed(absent: str) -> None:
    values = {"None": None, "nan": float("nan")}
    facts = {} if absent == "missing" else dict.fromkeys(FACTS, values[absent])
    card = model_card(facts)
    assert front_matter(card)["license"] == "unknown"
    assert "model-index" not in card
    assert "## Facts" not in card
    assert "None" not in card
    assert "nan" not in card


def test_other_keys_of_the_record_are_ignored() -> None:
    assert model_card({**FACTS, "occupancy": {"0": 0.3}}) == model_card(FACTS)


@pytest.mark.parametrize(
    "text", ["a: b # c", 'quo"te', "pipe | x", "two\nlines", "---", "- x", "\u00e9\U0001f600", "@", "yes"]
)
def test_awkward_text(text: str) -> None:
    facts = {**FACTS, "name": text, "data": text, "license": text, "language": text}
    card = model_card(facts)
    matter = front_matter(card)
    flat = " ".join(text.split())
    assert matter["license"] == flat
    assert matter["model-index"][0]["name"] == flat
    table = [line for line in card.splitlines() if line.startswith("|")]
    assert all(line.replace("\\|", "").count("|") == 3 for line in table)


@pytest.mark.parametrize(
    ("count", "shown"), [(999, "999 B"), (1000, "1.00 kB"), (16e6, "16.00 MB"), (2.5e9, "2.50 GB")]
)
def test_sizes(count: float, shown: str) -> None:
    assert f"| Size of model.safetensors | {shown} |" in model_card({"bytes": count})
