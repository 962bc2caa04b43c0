"""lm-evaluation-harness asks our model, and counts what we count."""

from __future__ import annotations

import json
import math
import warnings
from types import SimpleNamespace

import pytest
import torch
from tokenizers import processors

from pentanet.errors import DataError, MissingFileError, UnknownNameError
from pentanet.evaluation.choices import Question, evaluate_choices, log_likelihood
from pentanet.integrations.harness import evaluate_tasks, language_model
from pentanet.runtime.engine import Engine
from pentanet.runtime.engine_network import as_runtime
from pentanet.runtime.load import load

pytest.importorskip("lm_eval", reason="lm-eval is not installed: extra 'eval'")

WORDS = ["cat", "mat", "songs", "long day", "nobody listened", "42"]
SMALL = {"width": 32, "heads": 2, "kv_heads": 1, "hidden": 40, "context": 16}
TASK = """
task: cats
dataset_path: json
dataset_kwargs: {data_files: {test: %s}}
test_split: test
output_type: multiple_choice
doc_to_text: "{{context}}"
doc_to_choice: "{{choices}}"
doc_to_target: answer
metric_list: [{metric: acc}, {metric: acc_norm}]
"""


QUESTIONS = [
    Question(
        context=f"the {WORDS[i % 6]} sat on ",
        choices=(WORDS[i % 5], WORDS[-1 - i % 3]),
        answer=i % 2,
    )
    for i in range(24)
] + [Question(context="", choices=("the cat", "sang"), answer=1)]


@pytest.fixture
def cats(tmp_path, monkeypatch):
    """A folder with a task on local data; nothing can be fetched."""
    for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    lines = [json.dumps({"context": q.context, "choices": q.choices, "answer": q.answer}) for q in QUESTIONS]
    (tmp_path / "tasks").mkdir()
    (tmp_path / "cats.jsonl").write_text("\n".join(lines))
    (tmp_path / "tasks" / "cats.yaml").write_text(TASK % (tmp_path / "cats.jsonl"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # theirs
        yield tmp_path / "tasks"


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["torch", "native"])
def test_a_local_task_has_the_score_that_we_count(make, cats, engine):
    path = make(**SMALL)
    if engine == "native":
        pytest.importorskip("pentanet._native", reason="the engine was not compiled")
        runtime = as_runtime(Engine.open(path))
    else:
        runtime = load(path)
    expected = evaluate_choices(runtime, QUESTIONS, "cats")
    found = evaluate_tasks(str(path), ["cats"], folder=cats, engine=engine)
    scores = found["tasks"]["cats"]
    assert 0 < expected.acc < 1
    assert (scores["acc"], scores["acc_norm"]) == pytest.approx((expected.acc, expected.acc_norm))
    assert (scores["questions"], found["start"]) == (25, ())
    assert evaluate_tasks(path, ["cats"], folder=cats, limit=4)["tasks"]["cats"]["questions"] == 4


@pytest.mark.slow
def test_what_the_harness_cannot_do_is_an_error_by_name(make, cats):
    path = make(**SMALL)
    (cats / "far.yaml").write_text(TASK.replace("cats", "far").replace("%s", str(cats / "nowhere.jsonl")))
    with pytest.raises(DataError, match=r"cannot run far: .*--tasks-from"):
        evaluate_tasks(path, ["far"], folder=cats)
    with pytest.raises(MissingFileError, match="folder of task files"):
        evaluate_tasks(path, ["cats"], folder=cats / "nowhere")
    with pytest.raises(UnknownNameError, match=r"unknown task 'arc_eazy'. Did you mean 'arc_easy'"):
        evaluate_tasks(path, ["arc_eazy"], folder=cats)


@pytest.mark.slow
def test_the_command_prints_the_scores_and_nothing_else(make, cats, capsys):
    from pentanet.cli import main

    main(["eval", str(make(**SMALL)), "--tasks", "cats", "--tasks-from", str(cats), "--limit", "3", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert found["tasks"]["cats"]["questions"] == 3
    assert found["engine"] == "torch"


def test_rolling_likelihoods_predict_every_token_once(make):
    path = make(**SMALL)
    model, runtime = language_model(path), load(path)
    text = "the cat sat on the mat"
    (found,) = model.loglikelihood_rolling([SimpleNamespace(args=(text,))])
    ids = [0, *runtime.tokenizer.encode(text).ids]
    assert len(ids) <= 17, "one window"
    with torch.inference_mode():
        rows = runtime.network(torch.tensor([ids[:-1]]))[0].log_softmax(-1)
    expected = sum(float(rows[i, token]) for i, token in enumerate(ids[1:]))
    assert math.isclose(found, expected, rel_tol=1e-5)


def test_texts_begin_with_the_bos_of_the_template(make):
    runtime = load(make(**SMALL))
    name = runtime.tokenizer.id_to_token(5)
    runtime.tokenizer.post_processor = processors.TemplateProcessing(single=f"{name} $A", special_tokens=[(name, 5)])
    ids = runtime.tokenizer.encode("the cat sat on the mat and sang all day", add_special_tokens=False).ids
    model, plain = language_model(runtime), language_model(runtime, bos=False)
    assert model.prefix_token_id == 5
    expected = log_likelihood(runtime, [], ids[:6], start=(5,))
    assert model._loglikelihood_tokens([(None, [5], ids[:6])]) == [expected]
    assert model._loglikelihood_tokens([(None, ids[:3], ids[3:6])]) == [
        log_likelihood(runtime, ids[:3], ids[3:6], start=(5,))
    ]
    assert plain._loglikelihood_tokens([(None, ids[:3], ids[3:6])]) == [log_likelihood(runtime, ids[:3], ids[3:6])]
    (whole,) = model.loglikelihood_rolling([SimpleNamespace(args=("the cat",))])
    few = runtime.tokenizer.encode("the cat", add_special_tokens=False).ids
    assert whole == pytest.approx(log_likelihood(runtime, [], few, start=(5,))[0])


def test_writing_stops_where_the_task_says(make):
    model = language_model(make(**SMALL))

    def written(**settings: object) -> str:
        (text,) = model.generate_until([SimpleNamespace(args=("the cat", settings))])
        return text

    whole = written(max_gen_toks=6, until=[])
    assert len(whole) > 2
    assert written(max_gen_toks=6, until=[whole[2]]) == whole[: whole.index(whole[2])]
    assert written(max_gen_toks=6, until=whole[2]) == whole[: whole.index(whole[2])]
