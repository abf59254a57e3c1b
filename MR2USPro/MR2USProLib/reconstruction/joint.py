"""All frames of a sweep at once: how they move to where they agree, and how sure their places then are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components

FARTHEST_PX = 16.0
"""Frames that hang together by little would be thrown far apart by the noise in their steps."""


def together(steps: NDArray[np.float64], x: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """How far each frame must move, when all others move too.

    A frame's step is towards the mean of the others, each of which counts as much as it overlaps. Were each to take its
    own step alone, an error that all share with their neighbours would go away only over hundreds of rounds.

    Args:
        steps: (n, 2) where each frame would go if the others stayed.
        x: (n,) where they are along the columns.
        width: of a frame.
    """
    laplacian, total = _overlaps(x, width)
    return np.clip(np.linalg.solve(laplacian, total[:, None] * steps), -FARTHEST_PX, FARTHEST_PX)


def position_error_px(x: NDArray[np.float64], pulls_px: NDArray[np.float64], width: int) -> float:
    """The mean absolute error along x to be expected, but for one that all frames share, which has no meaning.

    Had chance given each part of the evidence the other sign, in all frames, the frames would have gone elsewhere: that
    is carried through :func:`together`, and the parts are taken as independent of each other (a bootstrap with
    multipliers, of clusters: A. C. Cameron and others, Rev. Econ. Stat. 90, 2008). Errors of one part that stay from
    frame to frame, and so add up along the sweep, are counted as such.

    Args:
        x: (n,) where the frames are.
        pulls_px: (n, m) how far each of m parts moved each frame on the map of the others.
        width: of a frame.
    """
    laplacian, total = _overlaps(x, width)
    carried = np.linalg.solve(laplacian, total[:, None] * pulls_px)
    parts = pulls_px.shape[1]
    deviation = np.sqrt(np.sum((carried - carried.mean(axis=0)) ** 2, axis=1) * parts / max(parts - 1, 1))
    return float(np.sqrt(2 / np.pi) * deviation.mean())


def _overlaps(x: NDArray[np.float64], width: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(n, n) what the frames share of each other, as a Laplacian, and its diagonal's part.

    The mean motion of frames that hang together is held: nothing tells it.
    """
    overlap = np.clip(width - np.abs(x[:, None] - x), 0, None)
    np.fill_diagonal(overlap, 0)
    total = overlap.sum(axis=1) + 1e-6 * width
    _, group = connected_components(overlap > 0, directed=False)
    together = group[:, None] == group
    return np.diag(total) - overlap + together * (total.mean() / together.sum(axis=1)), total
