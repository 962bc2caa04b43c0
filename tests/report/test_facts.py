"""What was run, in words."""

from pentanet.report.facts import facts
from pentanet.report.records import parse


def test_a_model_is_told_in_words_and_without_what_it_does_not_have() -> None:
    model = {"family": "llama", "layers": 4, "kv_heads": 2, "head_dim": 0, "window": 0, "parameters": 1000, "tie": True}
    summary = {"methods": {"mine": {"mean": {}, "seeds": {"0": {}}}}, "model": model}
    assert dict(facts(parse(summary), []))["Model"] == (
        "1\u2009000 parameters, family llama, layers 4, heads of keys and values 2"
    )
    summary["model"] = {"head_dim": 16, "window": 64, "rope_theta": 1e4, "other_thing": 3}
    assert dict(facts(parse(summary), []))["Model"] == (
        "width of a head 16, attention window 64, rotary base 10000.0, other thing 3"
    )
