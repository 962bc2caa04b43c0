"""`pentanet archive` and `pentanet unarchive` as a user meets them."""

from __future__ import annotations

import json
import resource
import signal
import time

import pytest

pytest.importorskip("pentanet._native", reason="the engine was not compiled")


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_there_and_back(pentanet, packed, tmp_path):
    file, again = tmp_path / "model.pnt", tmp_path / "again"
    result = pentanet("archive", packed, "--out", file)
    assert result.code == 0, result.err
    raw = sum(map(len, content(packed).values()))
    assert f"{file}: {file.stat().st_size:,} bytes, " in result.out
    assert f" % of the {raw:,} of the directory" in result.out
    assert file.stat().st_size < 0.9 * raw
    found = json.loads(pentanet("archive", packed, "--out", file, "--overwrite", "--json").out)
    assert found["bytes"] == file.stat().st_size
    assert found["raw_bytes"] == raw
    assert set(found["streams"][0]) == {"name", "kind", "codes", "raw_bytes", "bytes", "entropy_bound_bytes"}
    result = pentanet("unarchive", file, "--out", again, "--json")
    assert json.loads(result.out) == {"model": str(again), "bytes": raw}
    assert content(again) == content(packed)
    call = ("generate", "--prompt", "the cat", "--tokens", 5, "--seed", 1)
    assert pentanet(call[0], again, *call[1:]).out == pentanet(call[0], packed, *call[1:]).out


def test_mistakes(refuse, packed, model, tmp_path):
    assert "nowhere/config.json: no such file" in refuse("archive", "nowhere", "--out", tmp_path / "a")
    assert "nowhere: no such file" in refuse("unarchive", "nowhere", "--out", tmp_path / "a")
    assert "not an archive of pentanet" in refuse("unarchive", packed / "README.md", "--out", tmp_path / "a")
    assert "would lie in the directory" in refuse("archive", model, "--out", model / "a.pnt")
    (tmp_path / "a.pnt").touch()
    assert "--overwrite" in refuse("archive", packed, "--out", tmp_path / "a.pnt")
    assert "not empty" in refuse("unarchive", tmp_path / "a.pnt", "--out", model)


def test_a_full_disk_leaves_the_old_file(start, packed, model, pentanet, tmp_path):
    def small_files():
        resource.setrlimit(resource.RLIMIT_FSIZE, (8 << 10, 8 << 10))

    (tmp_path / "a.pnt").write_text("old")
    process = start("archive", packed, "--out", tmp_path / "a.pnt", "--overwrite", preexec_fn=small_files)
    _, err = process.communicate(timeout=300)
    assert (process.returncode, err.splitlines()[-1]) == (
        2,
        f"pentanet: {tmp_path / 'a.pnt'}: not written: File too large",
    )
    assert (tmp_path / "a.pnt").read_text() == "old"
    assert pentanet("archive", packed, "--out", tmp_path / "b.pnt").code == 0
    before = content(model)
    process = start("unarchive", tmp_path / "b.pnt", "--out", model, "--overwrite", preexec_fn=small_files)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 2
    assert "not written: File too large" in err.splitlines()[-1]
    assert content(model) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.pnt", "b.pnt", "model"]


def test_ctrl_c_leaves_nothing(start, model, tmp_path):
    (model / "large.txt").write_bytes(b"".join(b"%d words and numbers\n" % n for n in range(1_500_000)))  # some seconds
    process = start("archive", model, "--out", tmp_path / "a.pnt")
    end = time.monotonic() + 120
    while not list(tmp_path.glob(".a.pnt.*.partial/a.pnt")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=300)
    assert (process.returncode, err.splitlines()[-1]) == (130, "pentanet: stopped")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


@pytest.mark.slow
def test_comparison_with_the_record(pentanet, packed, tmp_path):
    found = json.loads(pentanet("archive", packed, "--out", tmp_path / "a.pnt", "--compare", "--json").out)
    names = {"record_bytes", "lrzip", "codes", "encode_per_second", "decode_per_second"}
    assert set(found["compared"]) == names
    assert found["compared"]["codes"] == sum(row["codes"] for row in found["streams"] if row["kind"] == "levels")
    assert found["compared"]["record_bytes"] > 0.9 * found["bytes"]
