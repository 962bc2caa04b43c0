"""A rule is known by what it does, and a near miss is not taken for it."""

from __future__ import annotations

import json

import pytest
from tokenizers import Regex, pre_tokenizers

from pentanet.gguf.splitting import SPLITTING, kinds_of, name_of


def parts(pre: pre_tokenizers.PreTokenizer) -> dict:
    return json.loads(pre.__getstate__())


@pytest.mark.parametrize("name", SPLITTING)
def test_every_rule_has_its_name_back(name):
    assert name_of(parts(SPLITTING[name]())) == name


def test_rules_differ():
    cuts = {n: tuple(SPLITTING[n]().pre_tokenize_str("it's 2014\n\n  so\u00ef")) for n in SPLITTING}
    assert len(set(cuts.values())) == len(SPLITTING)


def test_near_misses_have_no_name():
    llama = parts(SPLITTING["llama-bpe"]())
    pattern = Regex(llama["pretokenizers"][0]["pattern"]["Regex"])
    last = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    for rule in (
        pre_tokenizers.Split(pattern, "removed"),
        pre_tokenizers.Split(pattern, "isolated", invert=True),
    ):
        assert name_of(parts(pre_tokenizers.Sequence([rule, last]))) is None
    assert name_of(parts(pre_tokenizers.ByteLevel(add_prefix_space=True))) is None
    assert name_of(None) is None and kinds_of(None) == []
    assert kinds_of(llama) == ["Split", "ByteLevel"]


def test_where_a_token_says_that_it_lies_makes_no_rule():
    assert name_of(parts(pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=False))) == "gpt-2"
