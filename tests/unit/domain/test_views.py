"""The limits of a view: both measures must be low, or the layout very low."""

from __future__ import annotations

import pytest

from inventory_match.domain.views import ViewLimits

LIMITS = ViewLimits(similarity=0.8, layout=0.4)


@pytest.mark.parametrize(
    ("similarity", "layout", "strange"),
    [(0.1, 0.4, False), (0.79, 0.39, True), (0.8, 0.39, False), (0.99, 0.2, False), (0.99, 0.19, True)],
)
def test_a_view_is_strange_where_both_are_low_or_nothing_is_where_it_was(
    similarity: float, layout: float, strange: bool
) -> None:
    assert (LIMITS.complaint(similarity, layout) is not None) is strange


def test_the_complaint_names_figures_and_limits() -> None:
    told = LIMITS.complaint(0.512, 0.123)
    assert told is not None
    assert "similarity 0.51 (limit 0.80), layout 0.12 (limit 0.40)" in told
