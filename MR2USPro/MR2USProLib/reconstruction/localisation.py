"""Where each sagittal frame lies on the map that grows out of the frames before it (paper, III-A)."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ..progress import Progress
from .displacement import largest_cluster, refine
from .features import PointMatcher
from .growing_map import GrowingMap
from .probe_layer import ProbeLayer

MARGIN_PX = (40, 16)
"""The map is searched this far (along x, y) around where the frame is expected; further after frames that failed."""

SEED_PATIENCE = 4
"""When so many frames in a row do not fit the first one, another becomes the first."""

FEWEST_INLIERS = 6
RUNNER_UP = 0.6
"""A second cluster of more than this share of the first makes the offset ambiguous."""

LEAST_CORRELATION = 0.2
"""Of frame and map where they overlap; twice as much where the probe seems to have jumped."""

JUMP_PX = 10.0
MEMORY = 40
"""Frames that a pixel of the map remembers. A short memory lets small errors add up, an endless one blurs the map where
tissue changes."""

BLUR_PX = 1.0
FEATHER_PX = 16
"""Width of the lateral ramp of a frame's weight in the map, so that no seams show."""


@dataclass(frozen=True)
class Track:
    """What was found for each frame.

    Attributes:
        offsets_px: (n, 2) [x, y] on the map, NaN where the frame was not placed.
        matches, inliers: (n,) matched key points, and those that agree on the offset.
        correlation: (n,) of frame and map where they overlap, in [-1, 1].
        runner_up: (n,) size of the second cluster over that of the first.
        residual_px: (n,) spread of the inliers, NaN where the frame was not placed.
        pulls_px: (n, m) how far along x each of m parts of a frame's evidence moved it against the rest; what one part
            says wrong it may say wrong in other frames, too. None where matches were counted, each by itself.
    """

    offsets_px: NDArray[np.float64]
    matches: NDArray[np.int64]
    inliers: NDArray[np.int64]
    correlation: NDArray[np.float64]
    runner_up: NDArray[np.float64]
    residual_px: NDArray[np.float64]
    pulls_px: NDArray[np.float64] | None = None

    @property
    def placed(self) -> NDArray[np.bool_]:
        """Which frames were placed."""
        return np.isfinite(self.offsets_px[:, 0])

    @property
    def quality(self) -> float:
        """Share of frames that were placed times the median correlation of those with the map."""
        placed = self.placed
        return float(placed.mean() * max(0.0, np.median(self.correlation[placed]))) if placed.any() else 0.0


def follow(
    frames: NDArray[np.uint8],
    layer: ProbeLayer,
    matcher: PointMatcher,
    progress: Progress,
    excluded: Set[int] = frozenset(),
) -> Track:
    """Match every frame to the map of those before it and blend it in where it fits.

    Frames that failed get a second chance, backwards, when the map is complete on both sides of them. The map is cut
    to a window around the expected place, so that a frame costs the same late as early. Excluded frames are passed over
    as if nobody had taken them.
    """
    search = _Search(frames, layer, matcher)
    n, seed, tried, message = len(frames), -1, 0, f"Stitching with {matcher.name.upper()}"
    for t in progress.part(0, 0.9).steps(n, message):
        if t in excluded:
            continue
        if seed >= 0 and tried == SEED_PATIENCE and search.placed[-1] == seed:
            search.restart()  # nothing fits the first frame: it was no good
            seed = -1
        if seed < 0:
            seed, tried = t if search.begin(t) else -1, 0
        else:
            search.locate(t)
            tried += 1
    failed = [t for t in np.flatnonzero(~search.track.placed)[::-1] if t not in excluded]
    for step in progress.part(0.9, 1).steps(len(failed), message):
        if seed >= 0:
            search.locate(int(failed[step]))
    return search.track


class _Search:
    """The map as it grows, and what was found so far."""

    def __init__(self, frames: NDArray[np.uint8], layer: ProbeLayer, matcher: PointMatcher) -> None:
        n = len(frames)
        self._frames, self._layer, self._matcher = frames, layer, matcher
        self._weight = feather(layer.tissue)
        self._map = GrowingMap(MEMORY)
        none = np.full(n, np.nan)
        self.track = Track(
            np.full((n, 2), np.nan), np.zeros(n, np.int64), np.zeros(n, np.int64), np.zeros(n), np.zeros(n), none
        )
        self.placed: list[int] = []

    def restart(self) -> None:
        """Forget the map and what was placed on it."""
        self._map = GrowingMap(MEMORY)
        self.track.offsets_px[:], self.track.residual_px[:], self.track.correlation[:] = np.nan, np.nan, 0.0
        self.placed = []

    def begin(self, t: int) -> bool:
        """Let frame ``t`` be the origin, if it shows anything."""
        picture = self._picture(t)
        if picture is None:
            return False
        self.track.correlation[t] = 1.0
        self._add(t, picture, np.zeros(2), 0.0)
        return True

    def locate(self, t: int) -> None:
        """Find frame ``t`` on the map and blend it in, unless it fails."""
        picture = self._picture(t)
        if picture is None:
            return
        track, tissue = self.track, self._layer.tissue
        rows, columns = picture.shape
        expected, scatter, away = self._expected(t)
        margin = np.minimum(np.array(MARGIN_PX) + 8 * (away - 1), (columns, rows // 2))
        corner = np.rint(expected).astype(int) - margin
        window, seen = self._map.window(corner[0], corner[1], columns + 2 * margin[0], rows + 2 * margin[1])
        known = seen > 0.5
        differences = self._matcher.differences(
            _levels(picture, tissue),
            tissue,
            _levels(window, known),
            cv2.erode(known.astype(np.uint8), np.ones((5, 5))) > 0,
        )
        track.matches[t] = len(differences)
        found = largest_cluster(differences)
        if found is None:
            return
        track.inliers[t] = found.inliers
        track.runner_up[t] = found.runner_up / found.inliers
        offset, track.correlation[t] = refine(picture, tissue, window, known, found.offset_px)
        surprise = float(np.linalg.norm(offset + corner - expected))
        least = LEAST_CORRELATION * (2 if surprise > max(JUMP_PX, 4 * scatter) else 1)
        if found.inliers < FEWEST_INLIERS or track.runner_up[t] > RUNNER_UP or track.correlation[t] < least:
            return
        self._add(t, picture, offset + corner, found.residual_px)

    def _add(self, t: int, picture: NDArray[np.float32], offset_px: NDArray[np.float64], residual_px: float) -> None:
        self.track.offsets_px[t], self.track.residual_px[t] = offset_px, residual_px
        self._map.blend(picture, self._weight, offset_px)
        self.placed.append(t)

    def _picture(self, t: int) -> NDArray[np.float32] | None:
        """Frame ``t`` without what moves with the probe, smoothed; None where it is black, saturated or torn."""
        picture = self._layer.removed(self._frames[t])
        if not 0.4 < float(picture[self._layer.tissue].std()) / self._layer.contrast < 4:
            return None
        return cv2.GaussianBlur(picture, (0, 0), BLUR_PX)

    def _expected(self, t: int) -> tuple[NDArray[np.float64], float, int]:
        """Where frame ``t`` should lie, how unsteady the probe was there, and how many frames away that is known.

        Between two frames that were placed: between them. Else as if the probe went on as in the five steps next to it.
        """
        offsets, placed = self.track.offsets_px, np.flatnonzero(self.track.placed)
        after = int(np.searchsorted(placed, t))
        beside = placed[max(0, after - 6) : after] if after > 0 else placed[:6][::-1]
        steps = np.diff(offsets[beside], axis=0) / np.diff(beside)[:, None]
        pace = np.median(steps, axis=0) if len(steps) else np.zeros(2)
        scatter = float(np.median(np.abs(steps - pace)[:, 0])) if len(steps) else 0.0
        away = abs(t - int(beside[-1]))
        if 0 < after < len(placed):
            before, behind = placed[after - 1], placed[after]
            share = (t - before) / (behind - before)
            between = (1 - share) * offsets[before] + share * offsets[behind]
            return between, scatter, min(away, abs(int(behind) - t))
        return offsets[beside[-1]] + pace * np.clip(t - beside[-1], -3, 3), scatter, away


def feather(tissue: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Weight of each pixel in the map: 1 inside, falling to 0 at the left and right edge and on overlays."""
    columns = np.arange(tissue.shape[1])
    inside = np.flatnonzero(tissue.any(axis=0))
    if inside.size == 0:
        return np.zeros(tissue.shape, np.float32)
    ramp = np.minimum(columns - inside[0] + 1, inside[-1] + 1 - columns) / FEATHER_PX
    return (tissue * np.clip(ramp, 0, 1)).astype(np.float32)


def _levels(picture: NDArray[np.float32], mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Grey levels of a zero-mean picture for the detectors, of equal contrast however much was averaged."""
    deviation = float(picture[mask].std()) if mask.any() else 0.0
    scaled = 128 + picture * np.float32(42 / max(deviation, 1e-3)) * mask
    return np.clip(scaled, 0, 255).astype(np.uint8)
