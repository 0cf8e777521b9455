"""Whether a shelf camera still looks at what it used to: two measures of its photo against its usual view, and their limits.

Neither is enough. By the embedding of the whole photo (`similarity`) an emptied shelf or a shopper is stranger than another
shelf of the same shop; by where things begin and end in it (`layout`) a shelf that is half sold is all but another one. The
limits are measured on rendered shelves: see `ViewLimits`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ViewLimits:
    """A view is strange below both `similarity` and `layout`, and below half of `layout` whatever its similarity.

    `photos`: how many assessed photos make a usual view; before that nothing is strange. `layout` 0 switches it off.

    On five rendered shelves nothing harmless (sold down to 40 % or to nothing, all products exchanged, a shopper, dim and
    bright light, a mount that gave 2 %) fell below a layout of 0.39. Of cameras that looked elsewhere (half a picture on,
    turned, zoomed, another shelf) all did but those moved by whole facings along a shelf of equal facings.
    """

    similarity: float = 0.8
    layout: float = 0.36
    photos: int = 3

    def complaint(self, similarity: float, layout: float) -> str | None:
        """What is strange about a view, with figures and limits, or None."""
        if layout >= self.layout or (similarity >= self.similarity and layout >= self.layout / 2):
            return None
        return (
            f"the camera seems moved or covered: against its usual view similarity {similarity:.2f}"
            f" (limit {self.similarity:.2f}), layout {layout:.2f} (limit {self.layout:.2f})"
        )
