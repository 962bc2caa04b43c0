"""What a job says of itself."""

from __future__ import annotations

import pytest
import torch

from pentanet.ptq.config import QuantizeConfig
from pentanet.ptq.job import Job
from pentanet.ptq.unfinished import Work
from pentanet.ptq.workers import Workers
from pentanet.sources.open import open_source


@pytest.mark.parametrize(("method", "looks"), [("rtn", False), ("ptqtp", False), ("gptq", True), ("refine", True)])
def test_only_calibrated_methods_look_at_the_windows(make, tmp_path, method, looks):
    job = Job(
        source=open_source(make()),
        config=QuantizeConfig(method=method),
        work=Work(tmp_path / "out", {}),
        workers=Workers(1),
        progress=lambda stage, done, total: None,
        windows=torch.zeros(1, 4, dtype=torch.int64),
    )
    assert (job.calibration is not None) == looks
    assert len(job.linears) == 14 and job.linears[0] == "model.layers.0.self_attn.q_proj.weight"
