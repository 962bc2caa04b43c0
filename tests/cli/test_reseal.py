"""pentanet pack --reseal: an edit by hand is refused everywhere until it is accepted."""

from __future__ import annotations

import json

import pytest

TEMPLATE = "chat_template.jinja"


@pytest.fixture
def edited(model):
    """A packed model that got a chat template by hand."""
    (model / TEMPLATE).write_text("{% for m in messages %}{{ m.content }} {% endfor %}")
    return model


@pytest.mark.parametrize("engine", ["torch", "native"])
def test_every_reader_refuses_an_edit_and_says_what_to_do(refuse, edited, engine, tmp_path):
    for command in (
        ["inspect", edited],
        ["inspect", edited, "--no-verify"],
        ["generate", edited, "--engine", engine],
        ["eval", edited, "--engine", engine],
        ["chat", edited],
        ["export", edited, "--out", tmp_path / "out.gguf"],
    ):
        line = refuse(*command)
        assert f"{edited / TEMPLATE}: was added after the directory was written" in line
        assert line.endswith(f"pentanet pack --reseal {edited}")


def test_an_edit_is_accepted(pentanet, edited):
    result = pentanet("pack", "--reseal", edited)
    assert (result.code, result.err) == (0, "")
    assert result.out == f"{edited}: sealed\n{TEMPLATE}  added\n"
    assert "\nsealed: yes\n" in pentanet("inspect", edited).out
    assert pentanet("pack", edited, "--reseal").out == f"{edited}: the seal fits, nothing to do\n"
    (edited / TEMPLATE).unlink()
    found = json.loads(pentanet("pack", "--reseal", edited, "--json").out)
    assert found == {"path": str(edited), "written": True, "accepted": {TEMPLATE: "removed"}}


@pytest.mark.parametrize(
    ("options", "named"),
    [(["--out", "x"], "--out"), (["--layout", "byte", "--overwrite"], "--layout, --overwrite")],
)
def test_options_that_make_no_sense_together(refuse, edited, options, named):
    before = (edited / "model.safetensors").read_bytes()
    assert f"no use for {named};" in refuse("pack", "--reseal", edited, *options)
    assert (edited / "model.safetensors").read_bytes() == before


def test_a_run_is_no_model(refuse, finished):
    assert "config.json: no such file" in refuse("pack", "--reseal", finished)
