"""What a job says of itself."""

from __future__ import annotations

import pytest
import torch

from pentanet.ptq.config import QuantizeConfig
from pentanet.ptq.job import Job
from pentanet.ptq.mixed_text import CalibrationText
from pentanet.ptq.unfinished import Work
from pentanet.ptq.workers import Workers
from pentanet.sources.open import open_source


@pytest.mark.parametrize("looks", [False, True])
def test_a_job_says_what_it_works_with(make, tmp_path, looks):
    windows = torch.zeros(1, 4, dtype=torch.int64)
    job = Job(
        source=open_source(make()),
        config=QuantizeConfig(),
        work=Work(tmp_path / "out", {}),
        workers=Workers(1),
        progress=lambda stage, done, total: None,
        calibration=CalibrationText(windows=windows, name="zeros") if looks else None,
    )
    assert job.windows is (windows if looks else None)
    assert len(job.linears) == 14 and job.linears[0] == "model.layers.0.self_attn.q_proj.weight"
