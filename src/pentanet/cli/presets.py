"""pentanet presets."""

from __future__ import annotations

from pentanet.cli.options import Flag


def presets(*, json: Flag = False) -> None:
    """List the presets that `pentanet train` takes, with size, length and paper.

    Parameters
    ----------
    json
        Print the list as JSON.
    """
    from pentanet.cli import console
    from pentanet.cli.units import count
    from pentanet.training.presets import describe_presets

    found = describe_presets()
    if json:
        console.print_json([preset.to_dict() for preset in found])
        return
    head = f"{'preset':14}  {'layers':>6}  {'width':>5}  {'context':>7}  {'tokens':>8}  {'method':14}  {'paper':10}"
    console.out.print(f"{head}  what it is", style="bold", soft_wrap=True)
    for one in found:
        shape = f"{one.name:14}  {one.layers:6}  {one.width:5}  {one.context:7}"
        words = f"{count(one.tokens):>8}  {one.method:14}  {one.paper:10}  {one.title}"
        console.out.print(f"{shape}  {words}", soft_wrap=True)
