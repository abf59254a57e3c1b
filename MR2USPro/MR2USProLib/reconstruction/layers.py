"""Tracking frames that are the sum of two layers: what moves with the probe, and tissue that it passes.

The default way of stitching. Where the paper matches key points, here all pixels count: each frame, without the layer
of the probe, is laid on the map where it fits best, by Newton's steps on grey levels:

1. follow the frames, each on the map of those before it, with the temporal median as the probe's layer;
2. take what the frames show beyond median and map for the rest of that layer and remove it, because a median holds a
   trace of the tissue that biases every step towards zero;
3. compare each frame with the map of all others: that says where it wants to go, and the spread of its blocks, each by
   itself, how sure that is. All frames then move at once to where they agree, as small errors of neighbours, which add
   up over a sweep, show in none of them alone;
4. look for the frames that were missed, and do the last step again.
"""

from __future__ import annotations

from collections.abc import Set

import cv2
import numpy as np
from numpy.typing import NDArray

from ..progress import Progress
from .alignment import BLOCK_PX, Fit, Picture, middle, nudged, seen_from, voted
from .growing_map import GrowingMap
from .joint import together
from .localisation import Track, feather
from .probe_layer import ProbeLayer

BLUR_PX = 1.0
COARSE_PX = (41, 31)
"""Columns and rows of what is coarse in a frame, and by gain and shadows changes from frame to frame."""

COARSE_SHARE = 0.5
"""How much of what is coarse is taken off once the frames were followed. Before, it keeps them from locking on noise
that lasts for some frames and stays with the probe; and all of it taken off would leave noise to rule in bad frames."""

SHADOW = (25.0, 50.0)
"""Columns that are darker than the rest of a frame, against what is usual there, by more than the first many grey
levels are in a shadow, and count less; from the second on they do not count."""

SHADOW_BLUR_PX = 9

HALVED_FROM = 200
"""Frames with so many rows are halved along them: that costs little, as speckle is long across the beam and the probe
moves along the columns, and it doubles the speed."""

MEMORY = 40
"""Frames that a pixel of the map remembers while frames are followed: enough to average noise out, and tissue that
changes slowly is followed."""

REACH_PX = (12, 4)
"""The map is searched this far (along columns, rows) around where a frame is expected."""

FAR_PX = (48, 8)
"""The same at the beginning and after a frame that was not found; further with every one that follows."""

STEPS = 3
"""Newton's steps from the nearest even pixel to a fraction of one."""

AS_EXPECTED = 0.9
"""A frame that correlates with the map at least this share of what is usual right where it was expected is not searched
for elsewhere."""

LEAST_SHARPNESS = 0.5
"""Frames whose grey levels vary along the columns less than this share of what is usual are black or blurred."""

LEAST_CORRELATION = 0.15
LEAST_SHARE = 0.5
"""A frame that correlates with the map less than this share of what is usual does not show the same tissue."""

LEAST_AGREEING = 0.15
"""So many of a frame's blocks at least agree on its place; a quarter is few, in noisy sweeps too."""

FELT = 0.75
"""Share of the width over which frames feel each other when they settle: their edges weigh little, and steps fall
short of the whole way. With all of the width, long sweeps stop before they agree."""

PATIENCE = 4
"""When so many frames in a row do not fit the first one, another becomes the first."""


def follow_layers(
    frames: NDArray[np.uint8], layer: ProbeLayer, progress: Progress, excluded: Set[int] = frozenset()
) -> Track:
    """Where each frame lies on the map.

    Args:
        frames: uint8 (frame, row, column), columns along the direction of motion.
        layer: a first estimate of what moves with the probe, such as the temporal median.
        progress: told before every frame, in each pass.
        excluded: frames that are not looked at.

    Returns:
        for each frame its offset, how many blocks it was compared in (``matches``), how many of them agree
        (``inliers``), its correlation with the map of all other frames, and the spread of the blocks' own offsets.
    """
    search = _Search(frames, layer, excluded)
    search.follow(progress.part(0.0, 0.4))
    if np.count_nonzero(search.placed) > 1:
        search.clean(progress.part(0.4, 0.55))
        search.settle(progress.part(0.55, 0.75))
        search.find_missed(progress.part(0.75, 0.8))
        search.settle(progress.part(0.8, 1.0))
    return search.track()


class _Search:
    """The frames, tall ones halved along their rows, and what is known of them. Offsets here are in these rows."""

    def __init__(self, frames: NDArray[np.uint8], layer: ProbeLayer, excluded: Set[int]) -> None:
        self._rows_px = 2 if frames.shape[1] >= HALVED_FROM else 1
        rows, columns = frames.shape[1] // self._rows_px, frames.shape[2]
        self._size = (columns, rows)
        self._frames = frames
        self._tissue = (_resized(layer.tissue.astype(np.float32), self._size) > 0.9).astype(np.float32)
        self._grey = _resized(layer.grey, self._size)
        self._weight = feather(self._tissue > 0)
        self._per_column = np.maximum(self._tissue.sum(axis=0), 1.0)
        self._pictures: dict[int, Picture] = {}
        self._lit: dict[int, NDArray[np.float32]] = {}
        self._sharpness: dict[int, float] = {}
        n = len(frames)
        sample = np.unique(np.linspace(0, n - 1, min(n, 24)).astype(int))
        self._usual_sharpness = float(np.median([self._sharp(int(t)) for t in sample if t not in excluded] or [0.0]))
        self._excluded = excluded
        self._correlations: list[float] = []
        self.offsets = np.full((n, 2), np.nan)
        self.fits: list[Fit | None] = [None] * n

    @property
    def placed(self) -> NDArray[np.bool_]:
        """Which frames have a place."""
        return np.isfinite(self.offsets[:, 0])

    def follow(self, progress: Progress) -> None:
        """Every frame on the map of those before it."""
        growing, correlations = GrowingMap(MEMORY), self._correlations
        last, pace, missed, first = np.zeros(2), np.zeros(2), 0, -1
        for t in progress.steps(len(self._frames), "Following the frames"):
            if not self._shows_tissue(t):
                missed += first >= 0
                continue
            if first >= 0 and missed >= PATIENCE and not correlations:
                self.offsets[first], first = np.nan, -1  # nothing fits the first frame: it was no good
            if first < 0:
                growing, first, missed = GrowingMap(MEMORY), t, 0
                last, pace = np.zeros(2), np.zeros(2)
                self.offsets[t] = 0
                growing.blend(self._picture(t), self._weigh(t), last)
                continue
            far = missed + 1 if missed or len(correlations) < 2 else 0
            fit = self._find(t, growing, last + pace * (1 + missed), far)
            if fit.correlation < self._least:
                missed += 1
                continue
            correlations.append(fit.correlation)
            self._pictures[t] += np.float32(fit.brighter) * self._tissue
            self.offsets[t] = fit.offset
            growing.blend(self._pictures[t], self._weigh(t), fit.offset)
            moved = np.clip((fit.offset - last) / (1 + missed), -24, 24)
            pace = moved if len(correlations) < 3 else 0.5 * pace + 0.5 * moved
            last, missed = fit.offset, 0

    def clean(self, progress: Progress) -> None:
        """Take what all frames show beyond the map for the probe's, and remove it, and half of what is coarse."""
        growing, placed = self._map(), np.flatnonzero(self.placed)
        beyond, seen = np.zeros_like(self._tissue), np.full(self._size[0], 1e-3, np.float32)
        for step in progress.steps(len(placed), "Removing what moves with the probe"):
            t = placed[step]
            lit = self._lit.get(t, np.float32(1))
            beyond += lit * (self._pictures[t] - seen_from(growing, self.offsets[t], self._tissue.shape)[0])
            seen += lit
        beyond *= self._tissue / seen
        for picture in self._pictures.values():
            picture -= beyond
            picture -= np.float32(COARSE_SHARE) * cv2.blur(picture, COARSE_PX) * self._tissue

    def settle(self, progress: Progress) -> None:
        """Every frame against the map of all others; those that do not fit lose their place."""
        growing, placed = self._map(), np.flatnonzero(self.placed)
        for step in progress.steps(len(placed), "Settling the frames"):
            t = placed[step]
            self.fits[t] = voted(self._pictures[t], self._weigh(t), growing, self.offsets[t])
        self._correlations = [fit.correlation for fit in self.fits if fit]
        least = self._least
        for t in placed:
            fit = self.fits[t]
            if fit is None or fit.correlation < least or fit.agreeing < LEAST_AGREEING * fit.blocks:
                self.offsets[t], self.fits[t] = np.nan, None
        placed = np.flatnonzero(self.placed)
        if len(placed) < 2:
            return
        steps = np.array([self._fit(int(t)).offset - self.offsets[t] for t in placed])
        self.offsets[placed] += together(steps, self.offsets[placed, 0], round(FELT * self._size[0]))

    def find_missed(self, progress: Progress) -> None:
        """Look for frames without a place on the map of all others, near their neighbours in time."""
        placed = np.flatnonzero(self.placed)
        missed = [int(t) for t in np.flatnonzero(~self.placed) if self._shows_tissue(int(t))]
        growing = self._map() if missed else GrowingMap()
        for step in progress.steps(len(missed), "Looking for the frames that were missed"):
            t = missed[step]
            expected = np.array([np.interp(t, placed, self.offsets[placed, axis]) for axis in (0, 1)])
            fit = self._find(t, growing, expected, int(np.abs(placed - t).min()))
            if fit.correlation >= self._least:
                self.offsets[t] = fit.offset

    def track(self) -> Track:
        """What was found, in pixels of the frames, relative to the first frame that was placed."""
        placed = self.placed
        offsets = self.offsets * (1, self._rows_px)
        if placed.any():
            offsets -= offsets[np.flatnonzero(placed)[0]]
        fits, columns = self.fits, max(1, self._size[0] // BLOCK_PX[1])
        return Track(
            offsets,
            np.array([fit.blocks if fit else 0 for fit in fits], np.int64),
            np.array([fit.agreeing if fit else 0 for fit in fits], np.int64),
            np.array([fit.correlation if fit else 0.0 for fit in fits]),
            np.zeros(len(fits)),
            np.array([fit.spread if fit else np.nan for fit in fits]),
            np.array([fit.pulls if fit and fit.pulls is not None else np.zeros(columns) for fit in fits]),
        )

    @property
    def _least(self) -> float:
        """Correlation below which a frame does not fit."""
        usual = float(middle(np.array(self._correlations[-15:]))) if self._correlations else 0.0
        return max(LEAST_CORRELATION, LEAST_SHARE * usual)

    def _fit(self, t: int) -> Fit:
        fit = self.fits[t]
        assert fit is not None
        return fit

    def _shows_tissue(self, t: int) -> bool:
        return t not in self._excluded and self._sharp(t) >= LEAST_SHARPNESS * self._usual_sharpness

    def _sharp(self, t: int) -> float:
        """How much a frame's grey levels vary along the columns."""
        if t not in self._sharpness:
            picture = self._picture(t)
            along = (picture[::2, 3:-1:2] - picture[::2, 1:-3:2]) * self._tissue[::2, 2:-2:2]
            self._sharpness[t] = float(along.std())
        return self._sharpness[t]

    def _picture(self, t: int) -> Picture:
        """A frame without the probe's layer, smoothed, its mean over the tissue zero."""
        if t not in self._pictures:
            picture = _resized(self._frames[t], self._size) - self._grey
            self._light(t, picture)
            weight = self._weigh(t)
            picture -= np.float32(float(np.vdot(picture, weight)) / max(float(weight.sum()), 1.0))
            self._pictures[t] = cv2.GaussianBlur(picture * self._tissue, (5, 5), BLUR_PX)
        return self._pictures[t]

    def _light(self, t: int, picture: Picture) -> None:
        """Find the columns of a frame that lie in a shadow, and brighten them; what is left of them is noise."""
        columns = cv2.reduce(picture * self._tissue, 0, cv2.REDUCE_SUM)[0] / self._per_column
        darker = columns - np.float32(middle(columns))
        darker = cv2.blur(darker[None], (SHADOW_BLUR_PX, 1))[0]
        least, most = SHADOW
        if darker.min() < -least:
            picture -= np.minimum(darker + np.float32(least), 0)
            self._lit[t] = np.clip((darker + most) / (most - least), 0, 1).astype(np.float32)

    def _weigh(self, t: int) -> Picture:
        """How much each pixel of a frame counts."""
        lit = self._lit.get(t)
        return self._weight if lit is None else self._weight * lit

    def _map(self) -> GrowingMap:
        growing = GrowingMap()
        for t in map(int, np.flatnonzero(self.placed)):
            growing.blend(self._pictures[t], self._weigh(t), self.offsets[t])
        return growing

    def _find(self, t: int, growing: GrowingMap, expected: NDArray[np.float64], far: int) -> Fit:
        """Where a frame fits on the map: where it is expected, or else where the normalised correlation is highest."""
        picture = self._picture(t)
        weight = self._weigh(t)
        if not far:
            fit = nudged(picture, weight, growing, expected, STEPS)
            if fit.correlation > AS_EXPECTED * float(middle(np.array(self._correlations[-15:]))):
                return fit
        best, start = -1.0, expected
        small = cv2.resize(picture * weight, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)[2:-2, 8:-8]
        for reach in [REACH_PX, (FAR_PX[0] * (1 + far // 2), FAR_PX[1])] if far else [REACH_PX]:
            corner = (np.floor(expected / 2).astype(int) - np.array(reach) // 2) * 2
            width, height = self._size[0] + 2 * reach[0], self._size[1] + 2 * reach[1]
            window, seen = growing.window(int(corner[0]), int(corner[1]), width, height)
            half = cv2.resize(window * (seen > 0.5), None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
            scores = cv2.matchTemplate(half, small, cv2.TM_CCORR_NORMED)
            _, score, _, (x, y) = cv2.minMaxLoc(scores)
            if score > best:
                best, start = score, corner + 2 * np.array([x - 8, y - 2])
        return nudged(picture, weight, growing, start.astype(np.float64), STEPS)


def _resized(picture: NDArray, size: tuple[int, int]) -> NDArray[np.float32]:
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.float32)
