"""The curves as pictures. matplotlib without its global state: a figure is made, saved and forgotten."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from inventory_match.learning.curves import confusion_matrix, decision_curve, known_roc
from inventory_match.learning.figures import PRECISION, coverage_at_precision, roc_auc_known

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from inventory_match.domain.matching import Thresholds
    from inventory_match.learning.figures import Answered

DPI = 120
LINE, MARK = "#0969da", "#cf222e"
PRODUCTS_SHOWN = 30


def write_charts(folder: Path, answered: Sequence[Answered], thresholds: Thresholds) -> list[Path]:
    """roc.png, precision.png and confusion.png in `folder`, which is made; no roc.png where all queries are known, or none."""
    folder.mkdir(parents=True, exist_ok=True)
    made = {"roc": _roc(answered), "precision": _precision(answered, thresholds), "confusion": _confusion(answered)}
    return [save(figure, folder / f"{name}.png") for name, figure in made.items() if figure is not None]


def save(figure: Figure, path: Path) -> Path:
    """As PNG, whatever the name."""
    figure.savefig(path, format="png", dpi=DPI)
    return path


def axes_of_shares(figure: Figure, place: tuple[int, int, int], x: str, y: str) -> Axes:
    """Axes from 0 to 100 % with a grid and these labels; `place` as in matplotlib: rows, columns, number."""
    axes = figure.add_subplot(*place)
    axes.set(xlabel=x, ylabel=y, xlim=(0, 1.01), ylim=(0, 1.01))
    axes.grid(alpha=0.3)
    for side in (axes.xaxis, axes.yaxis):
        side.set_major_formatter(PercentFormatter(1))
    return axes


def mark_point(axes: Axes, x: float, y: float, label: str) -> None:
    """A red point, named in the lower left corner, where these curves leave room."""
    axes.plot(x, y, "o", color=MARK, label=label, zorder=3, clip_on=False)
    axes.legend(loc="lower left")


def _roc(answered: Sequence[Answered]) -> Figure | None:
    points = known_roc(answered)
    if points is None:
        return None
    figure = Figure(figsize=(5, 5), layout="constrained")
    axes = axes_of_shares(figure, (1, 1, 1), "unknown products taken for known", "known products taken for known")
    axes.plot(*points, color=LINE, label=f"by best similarity: ROC-AUC {roc_auc_known(answered):.3f}")
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":", label="by chance: 0.5")
    axes.legend(loc="lower right")
    axes.set_title("Telling known products from unknown ones")
    return figure


def _precision(answered: Sequence[Answered], thresholds: Thresholds) -> Figure:
    curve = decision_curve(answered)
    passed = curve.similarity >= thresholds.accept
    figure = Figure(figsize=(10, 5), layout="constrained")
    covered = coverage_at_precision(answered)
    sides = (
        (curve.recall, "recall: known queries named rightly", "Precision and recall"),
        (
            curve.coverage,
            "coverage: queries decided",
            f"{covered:.1%} can be decided at a precision of {PRECISION:.0%}",
        ),
    )
    for number, (along, label, title) in enumerate(sides, start=1):
        axes = axes_of_shares(figure, (1, 2, number), label, "precision: decided rightly")
        axes.plot(along, curve.precision, color=LINE)
        if passed.any():
            at = f"accept {thresholds.accept:.2f}, any lead"
            mark_point(axes, along[passed][-1], curve.precision[passed][-1], at)
        axes.set_title(title)
    return figure


def _confusion(answered: Sequence[Answered]) -> Figure | None:
    names, shares = confusion_matrix(answered, PRODUCTS_SHOWN)
    if not names:
        return None
    side = 3 + 0.28 * len(names)
    figure = Figure(figsize=(side + 1, side), layout="constrained")
    axes = figure.add_subplot()
    shown = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(len(names) + 1), [*names, "any other"], rotation=90, fontsize=7)
    axes.set_yticks(range(len(names)), names, fontsize=7)
    axes.set(xlabel="nearest product", ylabel="product asked for")
    figure.colorbar(shown, ax=axes, shrink=0.6, label="share of its queries", format=PercentFormatter(1))
    axes.set_title("What each product is taken for (most mistakes first)")
    return figure
