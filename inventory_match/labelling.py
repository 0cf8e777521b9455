"""Where the words beside boxes go, so that none covers another: a full shelf has a hundred of them, side by side.

Each label stays inside its own box, at the first height that no other label holds; boxes that overlap share their room.
Sizes and places are in whole pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

Rect: TypeAlias = tuple[int, int, int, int]
"""Left, top, right, bottom; the last two exclusive."""


def place(boxes: Sequence[Rect], sizes: Sequence[tuple[int, int]]) -> list[Rect | None]:
    """For each box a rectangle of the label's size (width, height), narrower or lower where the box is; None: no room left.

    Labels hang from the tops of their boxes where they can. Earlier ones choose first.
    """
    taken: list[Rect] = []
    places: list[Rect | None] = []
    for box, (width, height) in zip(boxes, sizes, strict=True):
        left, _, right, _ = box
        free = None
        for top, bottom in _heights(box, height):
            wanted = (left, top, min(left + width, right), bottom)
            if not any(_touch(wanted, other) for other in taken):
                free = wanted
                taken.append(free)
                break
        places.append(free)
    return places


def _heights(box: Rect, height: int) -> Iterator[tuple[int, int]]:
    """From the top of the box down, in steps of half a label, and last at its foot."""
    _, top, _, bottom = box
    height = min(height, bottom - top)
    for start in range(top, bottom - height, max(height // 2, 1)):
        yield start, start + height
    yield bottom - height, bottom


def _touch(one: Rect, other: Rect) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def fitted(text: str, width: float, lines: int, measure: Callable[[str], float]) -> list[str]:
    """The text in at most `lines` lines no wider than `width`, broken between words; what has no room ends in an ellipsis."""
    words, made = text.split(), list[str]()
    while words and len(made) < lines:
        line = words.pop(0)
        while words and measure(f"{line} {words[0]}") <= width:
            line = f"{line} {words.pop(0)}"
        made.append(line)
    if words:
        made[-1] = f"{made[-1]}…"
    return [_cut(line, width, measure) for line in made]


def _cut(line: str, width: float, measure: Callable[[str], float]) -> str:
    if measure(line) <= width:
        return line
    kept = line.removesuffix("…")
    while kept and measure(f"{kept}…") > width:
        kept = kept[:-1]
    return f"{kept}…"
