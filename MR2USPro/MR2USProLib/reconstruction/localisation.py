"""Where each sagittal frame lies on the map that grows out of the frames before it (paper, III-A)."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ..progress import Progress
from .displacement import largest_cluster, refine
from .features import FeatureMatcher, FeatureName
from .growing_map import GrowingMap
from .probe_layer import ProbeLayer

MARGIN_PX = (40, 16)
"""The map is searched this far (along x, y) around where the frame is expected; further after frames that failed."""

FEWEST_INLIERS = 8
RUNNER_UP = 0.6
LEAST_CORRELATION = 0.2
JUMP_PX = 10.0
MEMORY = 12
"""Frames that a pixel of the map remembers."""

BLUR_PX = 1.0
FEATHER_PX = 16


@dataclass(frozen=True)
class Track:
    """What was found for each frame.

    Attributes:
        offsets_px: (n, 2) [x, y] on the map, NaN where the frame was not placed.
        matches, inliers: (n,) matched key points, and those that agree on the offset.
        correlation: (n,) of frame and map where they overlap, in [-1, 1].
        runner_up: (n,) size of the second cluster over that of the first.
        residual_px: (n,) spread of the inliers, NaN where the frame was not placed.
    """

    offsets_px: NDArray[np.float64]
    matches: NDArray[np.int64]
    inliers: NDArray[np.int64]
    correlation: NDArray[np.float64]
    runner_up: NDArray[np.float64]
    residual_px: NDArray[np.float64]

    @property
    def placed(self) -> NDArray[np.bool_]:
        """Which frames were placed."""
        return np.isfinite(self.offsets_px[:, 0])

    @property
    def quality(self) -> float:
        """Share of frames that were placed times the median correlation of those with the map."""
        placed = self.placed
        return float(placed.mean() * max(0.0, np.median(self.correlation[placed]))) if placed.any() else 0.0


def follow(frames: NDArray[np.uint8], layer: ProbeLayer, name: FeatureName, progress: Progress) -> Track:
    """Match every frame to the map of those before it and blend it in where it fits.

    The map is cut to a window around the predicted place, so that a frame costs the same late as early.
    """
    n, rows, columns = frames.shape
    matcher, growing = FeatureMatcher(name, rows * columns), GrowingMap(MEMORY)
    track = Track(
        np.full((n, 2), np.nan), np.zeros(n, np.int64), np.zeros(n, np.int64), np.zeros(n), np.zeros(n),
        np.full(n, np.nan),
    )  # fmt: skip
    weight = feather(layer.tissue)
    seed, last = -1, -1
    for t in progress.steps(n, f"Stitching with {name.upper()}"):
        picture = layer.removed(frames[t])
        contrast = float(picture[layer.tissue].std())
        if not 0.4 * layer.contrast < contrast < 4 * layer.contrast:
            continue  # black, saturated or torn
        picture = cv2.GaussianBlur(picture, (0, 0), BLUR_PX)
        if seed >= 0 and last == seed and t - seed > 4:
            seed = -1  # nothing fits the first frame: it was no good
            growing = GrowingMap(MEMORY)
            track.offsets_px[last] = np.nan
        if seed < 0:
            seed = last = t
            track.offsets_px[t], track.correlation[t], track.residual_px[t] = 0.0, 1.0, 0.0
            growing.blend(picture, weight, track.offsets_px[t])
            continue

        expected, scatter = _predicted(track.offsets_px, t)
        margin = np.minimum(np.array(MARGIN_PX) + 8 * (t - last - 1), (columns, rows // 2))
        corner = np.rint(expected).astype(int) - margin
        window, seen = growing.window(corner[0], corner[1], columns + 2 * margin[0], rows + 2 * margin[1])
        known = seen > 0.5
        differences = matcher.differences(
            matcher.describe(_levels(picture, layer.tissue), layer.tissue),
            matcher.describe(_levels(window, known), cv2.erode(known.astype(np.uint8), np.ones((5, 5))) > 0),
        )
        track.matches[t] = len(differences)
        found = largest_cluster(differences)
        if found is None:
            continue
        track.inliers[t] = found.inliers
        track.runner_up[t] = found.runner_up / found.inliers
        offset, track.correlation[t] = refine(picture, layer.tissue, window, known, found.offset_px)
        surprise = float(np.linalg.norm(offset + corner - expected))
        least = LEAST_CORRELATION * (2 if surprise > max(JUMP_PX, 4 * scatter) else 1)
        if found.inliers < FEWEST_INLIERS or track.runner_up[t] > RUNNER_UP or track.correlation[t] < least:
            continue
        track.offsets_px[t], track.residual_px[t] = offset + corner, found.residual_px
        growing.blend(picture, weight, track.offsets_px[t])
        last = t
    return track


def feather(tissue: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Weight of each pixel in the map: 1 inside, falling to 0 at the left and right edge and on overlays."""
    columns = np.arange(tissue.shape[1])
    inside = np.flatnonzero(tissue.any(axis=0))
    if inside.size == 0:
        return np.zeros(tissue.shape, np.float32)
    ramp = np.minimum(columns - inside[0] + 1, inside[-1] + 1 - columns) / FEATHER_PX
    return (tissue * np.clip(ramp, 0, 1)).astype(np.float32)


def _predicted(offsets_px: NDArray[np.float64], t: int) -> tuple[NDArray[np.float64], float]:
    """Where frame ``t`` should lie if the probe goes on as in the last five steps, and how unsteady those were."""
    good = np.flatnonzero(np.isfinite(offsets_px[:t, 0]))[-6:]
    if len(good) < 2:
        return offsets_px[good[-1]], 0.0
    steps = np.diff(offsets_px[good], axis=0) / np.diff(good)[:, None]
    pace = np.median(steps, axis=0)
    scatter = float(np.median(np.abs(steps - pace)[:, 0]))
    return offsets_px[good[-1]] + pace * min(t - good[-1], 3), scatter


def _levels(picture: NDArray[np.float32], mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Grey levels of a zero-mean picture for the detectors, of equal contrast however much was averaged."""
    deviation = float(picture[mask].std()) if mask.any() else 0.0
    scaled = 128 + picture * np.float32(42 / max(deviation, 1e-3)) * mask
    return np.clip(scaled, 0, 255).astype(np.uint8)
