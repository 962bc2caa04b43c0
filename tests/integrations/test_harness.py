"""lm-evaluation-harness asks our model, and counts what we count."""

from __future__ import annotations

import json
import math
import warnings
from types import SimpleNamespace

import pytest
import torch

from pentanet.evaluation.choices import Question, evaluate_choices
from pentanet.integrations.harness import language_model
from pentanet.runtime.load import load

pytest.importorskip("lm_eval", reason="lm-eval is not installed: extra 'eval'")

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


@pytest.mark.slow
def test_a_local_task_has_the_score_that_we_count(make, tmp_path, monkeypatch):
    for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    words = ["cat", "mat", "songs", "long day", "nobody listened", "42"]
    questions = [
        Question(context=f"the {words[i % 6]} sat on ", choices=(words[i % 5], words[-1 - i % 3]), answer=i % 2)
        for i in range(24)
    ]
    questions.append(Question(context="", choices=("the cat", "sang"), answer=1))
    lines = [json.dumps({"context": q.context, "choices": q.choices, "answer": q.answer}) for q in questions]
    (tmp_path / "tasks").mkdir()
    (tmp_path / "cats.jsonl").write_text("\n".join(lines))
    (tmp_path / "tasks" / "cats.yaml").write_text(TASK % (tmp_path / "cats.jsonl"))
    path = make(**SMALL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # theirs
        from lm_eval import simple_evaluate
        from lm_eval.tasks import TaskManager

        manager = TaskManager(include_path=str(tmp_path / "tasks"), include_defaults=False)
        found = simple_evaluate(model=language_model(path), tasks=["cats"], task_manager=manager, bootstrap_iters=0)
    expected = evaluate_choices(load(path), questions, "cats")
    scores = found["results"]["cats"]
    assert 0 < expected.acc < 1
    assert scores["acc,none"] == pytest.approx(expected.acc)
    assert scores["acc_norm,none"] == pytest.approx(expected.acc_norm)


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


def test_writing_stops_where_the_task_says(make):
    model = language_model(make(**SMALL))

    def written(**settings: object) -> str:
        (text,) = model.generate_until([SimpleNamespace(args=("the cat", settings))])
        return text

    whole = written(max_gen_toks=6, until=[])
    assert len(whole) > 2
    assert written(max_gen_toks=6, until=[whole[2]]) == whole[: whole.index(whole[2])]
    assert written(max_gen_toks=6, until=whole[2]) == whole[: whole.index(whole[2])]
