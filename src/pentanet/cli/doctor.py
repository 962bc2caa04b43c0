"""pentanet doctor."""

from __future__ import annotations

import sys

from pentanet.cli.options import Flag


def doctor(*, json: Flag = False) -> None:
    """Say what this machine offers, and test the installation; exits with 1 if a test fails.

    Parameters
    ----------
    json
        Print the same as JSON.
    """
    from rich.markup import escape

    from pentanet.cli import console
    from pentanet.doctor import doctor as look

    found = look()
    if json:
        console.print_json(found.to_dict())
    else:
        facts = {**found.machine.to_dict(), "precision": found.precision, "engine": found.engine}
        facts |= {"instruction sets": " ".join(found.instruction_sets) or "none", "cache": found.cache}
        facts |= {name: version or "not installed" for name, version in found.extras.items()}
        console.print_facts({"pentanet": found.version, **facts})
        for check in found.checks:
            mark = "[green]ok[/]" if check.error is None else "[red]FAILED[/]"
            console.out.print(
                f"{mark} {check.name}: {escape(check.error or check.detail)}", markup=True, soft_wrap=True
            )
    if not found.healthy:
        sys.exit(1)
