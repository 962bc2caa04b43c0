import pytest
from rich.table import Table

from pentanet.cli import console


def test_a_table_wider_than_the_console_keeps_every_column(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    table = Table()
    table.add_column("method", overflow="fold", min_width=14)
    for heading in ("loss", "perplexity", "difference", "file"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_row("full-precision-12", *["1234567890"] * 4)
    console.print_table(table)
    printed = capsys.readouterr().out
    assert "full-precision-12" in printed and printed.count("1234567890") == 4
