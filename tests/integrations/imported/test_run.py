"""Which reader a source gets, and which options go with it."""

from __future__ import annotations

import pytest

from pentanet.errors import ConfigError, FormatError, MissingFileError
from pentanet.integrations.imported.run import import_model

ONLINE = {"quant_method": "bitnet", "linear_class": "autobitlinear", "quantization_mode": "online"}


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("x.gguf", {"masters": True}, "--masters"),
        ("x.gguf", {"shards": 2}, "--shards"),
        ("x.gguf", {"method": "bitnet-seed"}, "--method"),
        ("x.pt", {"masters": True}, "--masters"),
        ("masters", {"method": "bitnet-seed"}, "--method"),
        ("masters", {"masters": True, "shards": 2}, "--shards"),
        ("masters", {"shards": 2}, "--shards"),
    ],
)
def test_an_option_that_would_do_nothing_is_refused(masters, tmp_path, name, options, message):
    masters("2b4t", ONLINE)
    with pytest.raises(ConfigError, match=f"{message} does not go with"):
        import_model(tmp_path / name, tmp_path / "out", **options)


def test_masters_of_a_packed_directory_do_not_exist(packed_bitnet, tmp_path):
    packed_bitnet()
    with pytest.raises(FormatError, match="has no masters"):
        import_model(tmp_path / "bitnet", tmp_path / "out", masters=True)


def test_what_is_not_there(tmp_path):
    with pytest.raises(MissingFileError):
        import_model(tmp_path / "none.gguf", tmp_path / "out")
