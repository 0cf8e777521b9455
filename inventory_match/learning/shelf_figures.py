"""How right the counts of shelf photos are. These names are those of the report, and mean:

- count_mape: mean, over the pairs of photo and product that has facings there, of |counted - true| / true; a share (0.1:
  10 %). What was counted and is not there does not weigh in it, but in the next.
- exact_count_rate: share of all pairs of photo and product whose count is right, those rightly counted as none among them.
  Products are all that have a reference or a count. Counting nothing at all scores high on it where shelves are narrow.
- exact_present_rate: the same over the pairs of which the photo shows at least one facing.
- photos_fully_right: photos on which every product is counted right.
- photos: how many were measured.
- recall_at_50, ap50: see `detections`; ap50 only where the labels are said to be exhaustive.
- identity_accuracy: share of the matched boxes whose name is right: the one that was decided or, where the decision was left to
  people, the best candidate they are offered. Boxes of a product without reference are left out: no name could be right.
- decided_accuracy: the same by what serves alone: an open crop is not named right. Counts rest on these.
- seconds_per_photo: median, from the bytes of a photo to its rows in the ledger. The first photo warms up and is not
  counted, unless it is the only one.

A photo that was rejected, or on which nothing could be counted, counts none of anything.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median

from inventory_match.learning.detections import Detection, Labelled, Pair, average_precision, match, recall


@dataclass(frozen=True, slots=True)
class PhotoRead:
    """What became of one photo: counts by sku, boxes, seconds; `state` it rests in, with its `cause`.

    `counts` and `labels` are the truth, None where the photo has none of that kind.
    """

    photo: str
    counted: Mapping[str, int]
    detections: Sequence[Detection]
    seconds: float
    state: str
    cause: str | None = None
    counts: Mapping[str, int] | None = None
    labels: Sequence[Labelled] | None = None

    @property
    def wrong(self) -> dict[str, tuple[int, int]]:
        """Sku to (true, counted) where the two differ; nothing where the photo's counts are not known."""
        if self.counts is None:
            return {}
        both = sorted(self.counts.keys() | self.counted.keys())
        pairs = {sku: (self.counts.get(sku, 0), self.counted.get(sku, 0)) for sku in both}
        return {sku: pair for sku, pair in pairs.items() if pair[0] != pair[1]}


@dataclass(frozen=True, slots=True)
class ShelfFigures:
    """None: what the figure needs was not given, or there is nothing it could be a share of."""

    count_mape: float | None
    exact_count_rate: float | None
    exact_present_rate: float | None
    photos_fully_right: int | None
    photos: int
    recall_at_50: float | None
    ap50: float | None
    identity_accuracy: float | None
    decided_accuracy: float | None
    seconds_per_photo: float


def figures(read: Sequence[PhotoRead], references: Collection[str], *, exhaustive: bool) -> ShelfFigures:
    """`read` holds at least one photo; `references`: the skus that have one."""
    counted = [one for one in read if one.counts is not None]
    products = set(references).union(*(one.counts or {} for one in counted))
    errors = [abs(one.counted.get(sku, 0) - true) / true for one in counted for sku, true in _present(one.counts or {})]
    everything, wrong = len(products) * len(counted), sum(len(one.wrong) for one in counted)
    pairs, labels = _matched(read), sum(len(one.labels or ()) for one in read)
    return ShelfFigures(
        count_mape=_mean(errors),
        exact_count_rate=(everything - wrong) / everything if everything else None,
        exact_present_rate=_mean([not error for error in errors]),
        photos_fully_right=sum(not one.wrong for one in counted) if counted else None,
        photos=len(read),
        recall_at_50=recall(pairs, labels),
        ap50=average_precision(pairs, labels) if exhaustive else None,
        identity_accuracy=_named_right(pairs, references, lambda found: found.sku or found.first),
        decided_accuracy=_named_right(pairs, references, lambda found: found.sku),
        seconds_per_photo=median([one.seconds for one in read[1:]] or [read[0].seconds]),
    )


def _matched(read: Sequence[PhotoRead]) -> list[Pair]:
    """The detections of all photos that have labels, each with the label it took."""
    return [pair for one in read if one.labels is not None for pair in match(one.detections, one.labels)]


def _named_right(
    pairs: Sequence[Pair], references: Collection[str], name: Callable[[Detection], str | None]
) -> float | None:
    """The share of matched boxes of products with a reference whose `name` is right; None where none was matched."""
    known = [pair for pair in pairs if pair.label is not None and pair.label.sku in references]
    return _mean([pair.label is not None and name(pair.detection) == pair.label.sku for pair in known])


def _present(counts: Mapping[str, int]) -> Iterator[tuple[str, int]]:
    return ((sku, true) for sku, true in counts.items() if true > 0)


def _mean(values: Sequence[float]) -> float | None:
    return fmean(values) if values else None
