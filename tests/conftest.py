"""For every test: no deadlines, since a busy machine is no failure, and one thread, since cores are shared."""

from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile("pentanet", deadline=None)
settings.load_profile("pentanet")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when torch is imported, by processes that tests start too
