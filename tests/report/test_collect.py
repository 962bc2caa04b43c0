from pathlib import Path

import pytest

from pentanet.errors import MissingFileError
from pentanet.report.collect import benches


def test_a_bench_or_the_benches_in_a_folder(tmp_path: Path) -> None:
    for name in ("b", "a"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "summary.json").touch()
    (tmp_path / "c").mkdir()
    assert benches(tmp_path) == [tmp_path / "a", tmp_path / "b"]
    assert benches(tmp_path / "a") == [tmp_path / "a"]


def test_nothing_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="or a folder of such directories"):
        benches(tmp_path)
