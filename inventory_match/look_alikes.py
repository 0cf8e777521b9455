"""Groups vectors that look alike, and picks the most different of a group: plain geometry, a few thousand at most.

Groups are stars: a centre and all that are similar enough to it. Unlike connected components they do not chain, so two
members of a group are never joined by a row of others alone, and one answer for the group does not reach a different product
(Aslam, Pelekhov, Rus: The Star Clustering Algorithm, 2004). And a group has a name that means something: its centre.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def stars(similarities: NDArray[np.float32], least: float) -> list[list[int]]:
    """Indices grouped, largest group first, the centre first in each; `similarities` has shape (n, n).

    The one with most neighbours of similarity `least` or more takes them along, then the next one of what is left.
    """
    near = similarities >= least
    np.fill_diagonal(near, val=True)
    near |= near.T  # rounding may differ between the halves
    free = np.ones(len(near), bool)
    neighbours = near.sum(axis=1)
    groups = []
    while free.any():
        centre = int(np.where(free, neighbours, 0).argmax())
        members = np.flatnonzero(near[centre] & free)
        nearest_first = sorted(members, key=lambda one: (one != centre, -similarities[centre, one], one))
        groups.append([int(one) for one in nearest_first])
        free[members] = False
        neighbours -= near[members].sum(axis=0)  # each row once in all: counting what is left anew took minutes
    return groups


def most_different(similarities: NDArray[np.float32], count: int) -> list[int]:
    """Up to `count` indices that cover the rest best, the first one being index 0 (the centre of a star).

    Each next one is the least similar to those taken (farthest-point traversal, Gonzalez 1985).
    """
    taken = [0]
    while len(taken) < min(count, len(similarities)):
        nearest_taken = similarities[:, taken].max(axis=1)
        nearest_taken[taken] = np.inf
        taken.append(int(nearest_taken.argmin()))
    return taken


def pairwise(vectors: NDArray[np.float32], metric: str) -> NDArray[np.float32]:
    """Similarity of each of the vectors, shape (n, dim), to each: what SQL would say of them. Shape (n, n)."""
    products = vectors @ vectors.T
    squares = np.diag(products)
    if metric == "cosine":
        lengths = np.sqrt(np.maximum(squares, 1e-12))
        cosines: NDArray[np.float32] = products / np.outer(lengths, lengths)
        return cosines
    distances = np.sqrt(np.maximum(squares[:, None] + squares[None, :] - 2 * products, 0))
    near: NDArray[np.float32] = (1 / (1 + distances)).astype(np.float32)
    return near
