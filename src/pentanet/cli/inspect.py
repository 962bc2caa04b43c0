"""pentanet inspect."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pentanet.cli.options import Flag

if TYPE_CHECKING:
    from pentanet.runtime.inspect import Inspection


def inspect(
    model: Path,
    *,
    verify: bool = True,
    json: Flag = False,
) -> None:
    """Show the tensors of a packed model: storage, bits, entropy, occupancy.

    Parameters
    ----------
    model
        Model directory.
    verify
        Compare every tensor with its checksum.
    json
        Print the same as JSON.
    """
    from pentanet.cli import console
    from pentanet.runtime.inspect import inspect as look

    found = look(model, verify=verify)
    if json:
        console.print_json(found.to_dict())
    else:
        show(found)


def show(found: Inspection) -> None:
    """Print an inspection as a table."""
    from rich.table import Table

    from pentanet.cli import console

    table = Table(box=None, header_style="bold", padding=(0, 1, 0, 0), pad_edge=False)
    for name in ("tensor", "storage"):
        table.add_column(name, no_wrap=True)
    for name in ("shape", "bits", "entropy", "zero %"):
        table.add_column(name, justify="right", no_wrap=True)
    vectors = [row for row in found.rows if len(row.shape) <= 1]
    for row in found.rows:
        if row not in vectors:
            entropy = "" if row.entropy is None else f"{row.entropy:.3f}"
            zero = "" if row.zero_fraction is None else f"{100 * row.zero_fraction:.1f}"
            shape = "x".join(map(str, row.shape))
            table.add_row(
                row.name.removesuffix(".weight"), row.storage, shape, f"{row.bits_per_weight:.3f}", entropy, zero
            )
    if vectors:
        size = sum(row.parameters for row in vectors)
        bits = 8 * sum(row.bytes for row in vectors) / size
        table.add_row(f"{len(vectors)} vectors", vectors[0].storage, str(size), f"{bits:.3f}", "", "")
    console.print_table(table)
    console.out.print(
        f"\n{found.path}: {found.method}, {found.parameters:,} parameters, {found.quantized_parameters:,} quantized\n"
        f"{found.bytes:,} bytes, {found.file_bits_per_weight:.3f} bits per weight of the whole file"
        + (f", {found.quantized_bits_per_weight:.3f} of the quantized" if found.quantized_bits_per_weight else ""),
        soft_wrap=True,
    )
    left = f", except {', '.join(found.unsealed)}" if found.unsealed else ""
    console.out.print(f"sealed: {f'yes{left}' if found.sealed else 'no'}")
    if found.occupancy:
        levels = "  ".join(f"{level}: {100 * share:.2f} %" for level, share in found.occupancy.items())
        console.out.print(f"levels  {levels}", soft_wrap=True)
