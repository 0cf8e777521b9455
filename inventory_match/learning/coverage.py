"""What calibration costs and gives, as a curve: the more precise the decisions are to be, the fewer are made without people."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from inventory_match.learning.calibrate import Answers, answers
from inventory_match.learning.evaluate import ask, enrol

if TYPE_CHECKING:
    from inventory_match.learning.calibrate import Fit
    from inventory_match.learning.evaluate import Serving
    from inventory_match.learning.labelled import Labelled
    from inventory_match.learning.report import Bars

TOLD = (0.9, 0.95, 0.98, 0.99, 0.995)
"""Precisions a person is shown beside the wanted one."""
DRAWN = np.linspace(0.8, 1.0, 21)


def ask_for_thresholds(
    serving: Serving, references: Sequence[Labelled], queries: Sequence[Labelled], bars: Bars
) -> Answers:
    """Enrols the references and asks all queries, through what serves. Raises InvalidInput for a photo nobody can read."""
    enrolled = enrol(serving, references, bars("references", len(references)))
    asked = ask(enrolled, queries, bars("queries", len(queries)))
    return answers(asked.answered, [one.sku for one in queries])


def told(wanted: float, fitted: Callable[[float], Fit]) -> list[Fit]:
    """A fit for each of the precisions worth knowing, rising, the wanted one among them."""
    return [fitted(precision) for precision in sorted({*TOLD, wanted})]


def draw_coverage(path: Path, chosen: Fit, fitted: Callable[[float], Fit]) -> None:
    """A PNG of precision against the share that is decided, on the photos fitted on and held out, with the chosen point."""
    from matplotlib.figure import Figure

    from inventory_match.learning.charts import LINE, axes_of_shares, mark_point, save

    fits = [chosen, *(fitted(float(precision)) for precision in DRAWN)]
    figure = Figure(figsize=(7, 5), layout="constrained")
    axes = axes_of_shares(
        figure, (1, 1, 1), "decided without a person, of all a camera sees", "right, of what is decided"
    )
    for name, style in (("seen", ":"), ("held_out", "-")):
        points = sorted({(getattr(one, name).decided, getattr(one, name).precision) for one in fits})
        label = "photos it was chosen on" if name == "seen" else "products held out"
        axes.plot(*zip(*points, strict=True), style, color=LINE, label=label)
    axes.axhline(chosen.wanted, color="grey", linewidth=0.8, linestyle="--", label=f"wanted {percent(chosen.wanted)}")
    told = chosen.held_out
    mark_point(axes, told.decided, told.precision, f"chosen: decides {told.decided:.1%}, {told.precision:.1%} right")
    axes.set_ylim(min(0.8, *(one.held_out.precision for one in fits)) - 0.02, 1.002)
    axes.set_title(f"accept {chosen.thresholds.accept:.4f}, margin {chosen.thresholds.margin:.4f}")
    save(figure, path)


def percent(share: float) -> str:
    """With as many digits as it was given: 99.0 %, but 99.995 %, which is not 100 %."""
    return f"{max(f'{100 * share:.1f}', f'{100 * share:.6g}', key=len)}%"
