"""Types of options that several commands have."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from pentanet.machine import MAX_THREADS

Flag = Annotated[bool, Parameter(negative=())]
"""An option that is there or not, without a --no- form."""

Count = Annotated[int, Parameter(validator=Number(gte=1))]
"""One or more."""

Size = Annotated[int, Parameter(validator=Number(gte=0))]
"""Tokens, weights or other things; 0 for a default."""

Threads = Annotated[int, Parameter(validator=Number(gte=0, lte=MAX_THREADS))]
"""Of the native engine; 0 for one on each core."""

TorchThreads = Annotated[int, Parameter(validator=Number(gte=1, lte=MAX_THREADS))]
"""Of torch: it ends the process where the system does not start them."""

Seed = Annotated[int, Parameter(validator=Number(gte=0, lt=2**32))]
"""Of a random generator."""

Settings = Annotated[list[str], Parameter("--set", negative=())]
"""`key=value`, any number of times."""
