"""What a quantization_config may say, and what is refused by its key."""

from __future__ import annotations

import pytest

from pentanet.errors import ModelConfigError
from pentanet.integrations.imported.bitnet_section import BitnetSection, read_section

PUBLISHED = {"quant_method": "bitnet", "modules_to_not_convert": ["lm_head"]}


def test_published_sections_are_read():
    assert read_section({}, "x") is None
    section = read_section({"quantization_config": PUBLISHED}, "x")
    assert section == BitnetSection(masters=False, divides=True, kept=("lm_head",))
    section = read_section({"quantization_config": {"quant_method": "bitnet", "linear_class": "autobitlinear"}}, "x")
    assert section == BitnetSection(masters=False, divides=False, kept=None)


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"quant_method": "gptq"}, "gptq"),
        ("bitnet", "None"),
        ({"quant_method": "pentanet"}, "pentanet already"),
        ({**PUBLISHED, "quantization_mode": "online"}, "bitlinear is packed"),
        ({**PUBLISHED, "linear_class": "linear"}, "'linear'"),
        ({**PUBLISHED, "use_rms_norm": True}, "use_rms_norm"),
        ({**PUBLISHED, "modules_to_not_convert": [3]}, "modules_to_not_convert"),
    ],
)
def test_others_are_refused_by_name(section, message):
    with pytest.raises(ModelConfigError, match=message):
        read_section({"quantization_config": section}, "x")


@pytest.mark.parametrize("kept", ["model.layers.0", "up_proj", r"model\.layers\..*\.mlp"])
def test_patterns_mean_what_they_mean_to_transformers(kept):
    name = "model.layers.0.mlp.up_proj.weight"
    section = BitnetSection(masters=False, divides=False, kept=(kept,))
    with pytest.raises(ModelConfigError, match="up_proj"):
        section.require_blocks([name], "lm_head", "x")
    BitnetSection(masters=False, divides=False, kept=("lm_head", "up", "model.layers.1")).require_blocks(
        [name], "lm_head", "x"
    )
