"""The one translation that explains the most matches: DBSCAN on coordinate differences (paper, III-A)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import DBSCAN


@dataclass(frozen=True)
class Displacement:
    """A cluster of coordinate differences.

    Attributes:
        offset_px: mean difference [x, y] of the cluster.
        inliers: how many matches agree on it.
        runner_up: how many agree on the next best displacement.
        residual_px: root mean square distance of the inliers' differences from their mean.
    """

    offset_px: NDArray[np.float64]
    inliers: int
    runner_up: int
    residual_px: float


def largest_cluster(differences_px: NDArray[np.float64], eps_px: float = 2.0) -> Displacement | None:
    """Cluster the differences (n, 2) of all matches and keep the largest cluster.

    DBSCAN needs no number of clusters: right matches agree on one translation and lie densely, wrong ones are spread
    thin and count as noise.

    Args:
        differences_px: map coordinates minus frame coordinates of each match, [x, y].
        eps_px: neighbours lie within this distance.

    Returns:
        The displacement, or None where no matches agree.
    """
    fewest = max(5, round(0.02 * len(differences_px)))
    if len(differences_px) < fewest:
        return None
    labels = DBSCAN(eps=eps_px, min_samples=fewest).fit_predict(differences_px)
    sizes = np.bincount(labels[labels >= 0])
    if sizes.size == 0:
        return None
    order = np.argsort(sizes, kind="stable")[::-1]
    inliers = differences_px[labels == order[0]]
    mean = inliers.mean(axis=0)
    residual = float(np.sqrt(np.mean(np.sum((inliers - mean) ** 2, axis=1))))
    return Displacement(mean, len(inliers), int(sizes[order[1]]) if len(order) > 1 else 0, residual)


def refine(
    frame: NDArray[np.float32],
    frame_mask: NDArray[np.bool_],
    window: NDArray[np.float32],
    window_mask: NDArray[np.bool_],
    offset_px: NDArray[np.float64],
    reach_px: int = 2,
) -> tuple[NDArray[np.float64], float]:
    """Move an offset to the nearby peak of the normalised correlation, to a fraction of a pixel.

    Args:
        frame: (rows, columns), zero mean.
        frame_mask: which of its pixels count.
        window: part of the map, larger than the frame, zero mean.
        window_mask: where the map has been seen.
        offset_px: [x, y] of the frame's top-left pixel in the window, to start from.
        reach_px: how far from there, at most, the peak is looked for.

    Returns:
        The offset (the given one where there is no peak within reach) and the correlation there, in [-1, 1].
    """
    rows, columns = frame.shape
    start = np.rint(offset_px).astype(int)
    template, weight = np.where(frame_mask, frame, 0).astype(np.float32), frame_mask.astype(np.float32)
    energy = template * template
    scores = np.full((2 * reach_px + 1, 2 * reach_px + 1), -1.0)
    for dy in range(-reach_px, reach_px + 1):
        for dx in range(-reach_px, reach_px + 1):
            x, y = start[0] + dx, start[1] + dy
            top, left = max(0, -y), max(0, -x)
            bottom, right = min(rows, window.shape[0] - y), min(columns, window.shape[1] - x)
            if bottom - top < 8 or right - left < 8:
                continue
            here = np.s_[top:bottom, left:right]
            there = np.s_[y + top : y + bottom, x + left : x + right]
            seen = window_mask[there].astype(np.float32)
            map_part = window[there] * seen
            power = float(np.vdot(energy[here], seen)) * float(np.vdot(map_part * map_part, weight[here]))
            if power > 0:
                scores[dy + reach_px, dx + reach_px] = float(np.vdot(template[here], map_part)) / np.sqrt(power)
    row, column = np.unravel_index(int(np.argmax(scores)), scores.shape)
    best = float(scores[row, column])
    if not (0 < row < 2 * reach_px and 0 < column < 2 * reach_px):
        return np.asarray(offset_px, dtype=np.float64), best
    peak_x = column - reach_px + _vertex(scores[row, column - 1 : column + 2])
    peak_y = row - reach_px + _vertex(scores[row - 1 : row + 2, column])
    return start + np.array([peak_x, peak_y]), best


def _vertex(three: NDArray[np.float64]) -> float:
    """Where the parabola through three neighbouring values peaks, relative to the middle one."""
    curvature = three[0] - 2 * three[1] + three[2]
    return 0.0 if curvature >= 0 else float(np.clip(0.5 * (three[0] - three[2]) / curvature, -0.5, 0.5))
