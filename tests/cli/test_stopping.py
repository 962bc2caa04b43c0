"""Signals, full disks and closed pipes: the command says so in a line, and what was there is still there."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import time

import pytest

MANY = ["--steps", 100_000, "--set", "checkpoint_every=100000", "--set", "eval_every=100000", "--set", "log_every=1"]
SIGNALS = [(signal.SIGINT, 130), (signal.SIGTERM, 143)]


def wait_for(condition, process, seconds=300):
    """Wait until `condition()`; fails if the process ends before."""
    end = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.05)


def steps_done(run):
    metrics = run / "metrics.jsonl"
    return metrics.read_text().count("train_loss") if metrics.exists() else 0


def logged(run):
    """Steps with a training loss, in the order of the log."""
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [row["step"] for row in rows if "train_loss" in row]


def end(process):
    """Exit code and last line on standard error."""
    out, err = process.communicate(timeout=300)
    assert "Traceback" not in err, err
    assert out == ""
    return process.returncode, err.splitlines()[-1]


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), SIGNALS, ids=["SIGINT", "SIGTERM"])
def test_training_saves_and_leaves(number, code, start, recipe, tiny, tmp_path):
    run = tmp_path / "run"
    call = ["train", recipe, "--data", tiny.path, "--out", run, *MANY]
    process = start(*call)
    wait_for(lambda: steps_done(run) > 2, process)
    process.send_signal(number)
    assert end(process) == (code, f"pentanet: stopped at step {steps_done(run)} of 100000; the same command continues")
    (checkpoint,) = (run / "checkpoints").iterdir()
    before = steps_done(run)
    process = start(*call)
    wait_for(lambda: steps_done(run) > before + 2, process)  # it goes on, and does not begin again
    process.send_signal(signal.SIGTERM)
    assert end(process)[0] == 143
    assert logged(run) == list(range(1, steps_done(run) + 1))
    assert int(checkpoint.name.removeprefix("step_")) == before


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), SIGNALS, ids=["SIGINT", "SIGTERM"])
def test_bench_saves_and_leaves(number, code, start, tiny, tmp_path):
    out = tmp_path / "bench"
    run = out / "runs/full-precision/seed-0"
    sizes = ["layers=1", "width=16", "heads=2", "kv_heads=1", "hidden=24", "context=16"]
    settings = [word for size in sizes for word in ("--set", f"model.{size}")]
    common = ["bench", "nano", "--data", tiny.path, "--out", out, "--seeds", 1, "--workers", 1, *settings]
    process = start(*common, *MANY)
    wait_for(lambda: steps_done(run) > 2, process)
    process.send_signal(number)
    assert end(process) == (code, "pentanet: stopped; the same command continues")
    (checkpoint,) = (run / "checkpoints").iterdir()
    assert int(checkpoint.name.removeprefix("step_")) == steps_done(run)
    assert [path.name for path in (out / "runs").iterdir()] == ["full-precision"], "the others were not begun"
    assert not (out / "summary.json").exists()
    before = steps_done(run)
    process = start(*common, *MANY)
    wait_for(lambda: steps_done(run) > before + 2, process)
    process.send_signal(number)
    assert end(process)[0] == code
    assert logged(run) == list(range(1, steps_done(run) + 1)), "it went on, and did not begin again"


def test_commands_heed_ctrl_c_where_the_tests_ignore_it(request):
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as a shell does for what it runs in the background
    try:
        process = request.getfixturevalue("start")("--version", preexec_fn=say_whether_ctrl_c_is_heeded)
        assert process.communicate(timeout=300)[0].startswith("heeded\n")
    finally:
        signal.signal(signal.SIGINT, before)


def say_whether_ctrl_c_is_heeded():
    """For the child: an ignored signal stays ignored in what it becomes, a handler of ours becomes the default."""
    os.write(1, b"ignored\n" if signal.getsignal(signal.SIGINT) == signal.SIG_IGN else b"heeded\n")


def test_speed_leaves_at_once(start, tmp_path, monkeypatch):
    pytest.importorskip("pentanet._native", reason="the engine was not compiled")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    for _ in range(5):  # on a busy machine the run, a few seconds long, may be over before the signal arrives
        process = start("speed", "--model", "smollm2-135m", "--layouts", "byte", "--threads", 1)
        wait_for(lambda: list(tmp_path.glob("pentanet-speed-*/smollm2-135m/config.json")), process)
        process.send_signal(signal.SIGINT)
        if process.wait(timeout=300) != 0:
            break
    assert end(process) == (130, "pentanet: stopped")
    assert not list(tmp_path.glob("pentanet-speed-*"))


# -- full disk ------------------------------------------------------------------------------------------------------


def small_files():
    """For the child: no file may grow beyond 16 kB, as on a disk that is almost full."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (16 << 10, 16 << 10))


def snapshot(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_pack_onto_a_full_disk_leaves_the_old_model(start, finished, model, tmp_path):
    before = snapshot(tmp_path)
    process = start("pack", finished, "--out", model, "--overwrite", preexec_fn=small_files)
    code, line = end(process)
    assert code in (1, 2)
    assert line.startswith("pentanet: ")
    assert str(model) in line
    assert snapshot(tmp_path) == before


def test_checkpoint_onto_a_full_disk_leaves_the_old_ones(start, recipe, tiny, tmp_path):
    run = tmp_path / "run"
    call = ["train", recipe, "--data", tiny.path, "--out", run]
    code, line = end(start(*call, preexec_fn=small_files))
    assert code == 2
    assert "step_00000002: not written" in line
    assert not list((run / "checkpoints").glob("step_*"))
    out, err = start(*call, "--json").communicate(timeout=300)
    assert json.loads(out)["steps"] == 3, err


def test_standard_output_on_a_full_disk(start, packed):
    with open("/dev/full", "w") as full:  # noqa: PTH123
        process = start("inspect", packed, stdout=full)
        _, err = process.communicate(timeout=300)
    assert process.returncode == 1
    assert err == "pentanet: input/output: No space left on device\n"


# -- closed pipe ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [["--help"], ["inspect"], ["inspect", "--json"], ["generate", "--tokens", "20"]])
def test_reader_that_goes_away(arguments, start, packed):
    name, *more = arguments
    read, write = os.pipe()
    os.close(read)
    process = start(name, *([] if name == "--help" else [packed]), *more, stdout=write)
    os.close(write)
    _, err = process.communicate(timeout=300)
    assert (process.returncode, err) == (1, "")


def test_first_line_of_a_long_answer(command, packed):
    line = subprocess.run(
        ["bash", "-c", '"$@" | head -n 1', "bash", *command, "inspect", str(packed), "--json"],
        capture_output=True,
        text=True,
    )
    assert (line.stdout, line.stderr) == ("{\n", "")
