"""What all figures share: matplotlib when it is there, one look, three formats, the same bytes for the same records."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from importlib import import_module
from io import BytesIO
from typing import Any

from pentanet.errors import MissingExtraError
from pentanet.report.palette import LIGHT, Style
from pentanet.report.svg import short

WIDTH = 6.5  # inches: the text of a page with margins of one inch
DPI = 300
INK, SOFT, RULE = "#1b1d20", "#5a6069", "#d9dbdf"
MARKERS = {"circle": "o", "square": "s", "diamond": "D", "triangle": "^", "cross": "P", "down": "v"}
# With what each says of itself: no date and no version, so that a figure changes only when its records do.
FORMATS: dict[str, dict[str, Any]] = {
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    "png": {"Software": None},
}
LOOK: dict[str, Any] = {
    "font.family": ["DejaVu Sans"],
    "font.size": 7.5,
    "axes.titlesize": 8,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 7.5,
    "axes.edgecolor": SOFT,
    "axes.labelcolor": SOFT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "axes.linewidth": 0.6,
    "grid.color": RULE,
    "grid.linewidth": 0.5,
    "text.color": INK,
    "text.parse_math": False,  # a dollar sign in a name is a dollar sign
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0,
    "xtick.minor.width": 0.4,
    "legend.frameon": False,
    "legend.fontsize": 7,
    "lines.linewidth": 1.2,
    "lines.markersize": 3.5,
    "svg.hashsalt": "pentanet",
}


def library(module: str = "") -> Any:
    """Matplotlib, or a module of it; it is Any because hardly any of it has types.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        return import_module(f"matplotlib{module}")
    except ModuleNotFoundError:
        raise MissingExtraError("matplotlib", "report", "--figures") from None


@contextmanager
def look() -> Generator[None]:
    """Our settings of matplotlib, for as long as a figure is drawn and saved.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    with library().rc_context(LOOK):
        yield


def panels(rows: int, columns: int, height: float, **options: Any) -> tuple[Any, list[Any]]:
    """A figure of the full width with a grid of axes, row by row."""
    figure = library(".figure").Figure(figsize=(WIDTH, height), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, **options)
    return figure, list(axes.flat)


def encode(figure: Any, form: str) -> bytes:
    """The figure in one of FORMATS."""
    buffer = BytesIO()
    figure.savefig(buffer, format=form, dpi=DPI, metadata=FORMATS[form])
    return buffer.getvalue()


def stroke(style: Style) -> dict[str, Any]:
    """Colour and dashes of a line."""
    dashes = tuple(float(length) / 2 for length in style.dash.split())
    return {"color": LIGHT[style.colour], "linestyle": (0, dashes) if dashes else "-"}


def dot(style: Style) -> dict[str, Any]:
    """Colour and shape of a mark."""
    return {"color": LIGHT[style.colour], "marker": MARKERS[style.marker], "linestyle": "none"}


def legend(figure: Any, axes: Sequence[Any]) -> None:
    """One legend for all panels, right of them; a name that several panels draw stands once."""
    found: dict[str, Any] = {}
    for panel in axes:
        handles, labels = panel.get_legend_handles_labels()
        for handle, label in zip(handles, labels, strict=True):
            found.setdefault(label, handle)
    if found:
        figure.legend(found.values(), found.keys(), loc="outside right upper", handlelength=2.2)


def empty(panel: Any) -> None:
    """Take a panel away that nothing is drawn in."""
    panel.remove()


def log_marks(axis: Any, *, places: Sequence[float] = ()) -> None:
    """Marks of a logarithmic axis at `places`, or where matplotlib likes them."""
    ticker = library(".ticker")
    axis.set_major_locator(ticker.FixedLocator(places) if places else ticker.LogLocator(subs=(1, 2, 5)))
    axis.set_minor_locator(ticker.NullLocator())
    axis.set_major_formatter(counts())
    axis.set_minor_formatter(ticker.NullFormatter())


def counts() -> Any:
    """Marks of counts: 200 k, 1.5 M."""

    def mark(value: float, _: int) -> str:
        return short(float(f"{value:.4g}"))

    return library(".ticker").FuncFormatter(mark)


def percents() -> Any:
    """Marks of shares: 5 %."""
    return library(".ticker").PercentFormatter(1.0, symbol=" %")
