"""Tracking frames that are the sum of two layers: what moves with the probe, and tissue that it passes.

The default way of stitching. Where the paper matches key points, here all pixels count: each frame, without the layer
of the probe, is laid on the map of the frames before it where it fits best, by Gauss-Newton steps on grey levels:

1. follow the frames with the temporal median as the probe's layer;
2. take what the frames show beyond median and map for the rest of that layer, and follow them again without it, because
   a median holds a trace of the tissue that biases every step towards zero;
3. compare each frame with the map of all others, block by block; the blocks' median decides, and their spread says how
   sure that is.

A frame's brightness may be off by a constant, which the steps estimate too: left in, it would pull every frame the same
way wherever the tissue is brighter on one side, and such small pulls add up over a sweep.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ..progress import Progress
from .growing_map import GrowingMap
from .localisation import Track, feather
from .probe_layer import ProbeLayer

Picture = NDArray[np.float32]

BLUR_PX = 1.0
HALVED_FROM = 200
"""Frames with so many rows are halved along them: that costs little, as speckle is long across the beam and the probe
moves along the columns, and it doubles the speed."""

MEMORY = 40
"""Frames that a pixel of the map remembers while frames are followed: enough to average noise out, and tissue that
changes slowly is followed."""

REACH_PX = (12, 4)
"""The map is searched this far (along columns, rows) around where a frame is expected."""

FAR_PX = (48, 8)
"""The same after a frame that was not found; further with every one that follows."""

STEPS = 3
"""Gauss-Newton steps from the nearest even pixel to a fraction of one."""

LEAST_SHARPNESS = 0.5
"""Frames whose contrast after blurring is less than this share of what is usual are black or blurred."""

LEAST_CORRELATION = 0.15
LEAST_SHARE = 0.5
"""A frame that correlates with the map less than this share of what is usual does not show the same tissue."""

PATIENCE = 4
"""When so many frames in a row do not fit the first one, another becomes the first."""

BLOCK_PX = (15, 20)
"""Rows and columns of the blocks that vote on a frame's place."""

AGREES_PX = 1.0
"""A block whose own place lies nearer to the frame's than this agrees with it."""


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
    search = _Search(frames, layer)
    search.follow(excluded, progress.part(0.0, 0.35))
    if np.count_nonzero(search.placed) > 1:
        search.clean(progress.part(0.35, 0.5))
        search.follow_again(progress.part(0.5, 0.7))
        search.settle(progress.part(0.7, 1.0))
    return search.track()


@dataclass(frozen=True)
class _Fit:
    """How a frame lies on a map: its offset, correlation, how much brighter the map is, and what the blocks say."""

    offset: NDArray[np.float64]
    correlation: float
    brighter: float
    blocks: int = 0
    agreeing: int = 0
    spread: float = np.nan


class _Search:
    """The frames, tall ones halved along their rows, and what is known of them. Offsets here are in these rows."""

    def __init__(self, frames: NDArray[np.uint8], layer: ProbeLayer) -> None:
        self._rows_px = 2 if frames.shape[1] >= HALVED_FROM else 1
        rows, columns = frames.shape[1] // self._rows_px, frames.shape[2]
        self._size = (columns, rows)
        self._frames = frames
        self._tissue = _resized(layer.tissue.astype(np.float32), self._size) > 0.9
        self._grey = _resized(layer.grey, self._size)
        self._weight = feather(self._tissue)
        self._pictures: dict[Any, Picture] = {}
        n = len(frames)
        self.offsets = np.full((n, 2), np.nan)
        self.fits: list[_Fit | None] = [None] * n

    @property
    def placed(self) -> NDArray[np.bool_]:
        """Which frames have a place."""
        return np.isfinite(self.offsets[:, 0])

    def follow(self, excluded: Set[int], progress: Progress) -> None:
        """First pass: every frame on the map of those before it."""
        usual = self._usual_contrast()
        growing, correlations = GrowingMap(MEMORY), list[float]()
        last, pace, missed, first = np.zeros(2), np.zeros(2), 0, -1
        for t in progress.steps(len(self._frames), "Following the frames"):
            if t in excluded:
                continue
            picture = self._picture(t)
            if picture.std() < LEAST_SHARPNESS * usual:
                missed += first >= 0
                continue
            if first >= 0 and missed >= PATIENCE and len(correlations) == 0:
                self.offsets[first], first = np.nan, -1  # nothing fits the first frame: it was no good
            if first < 0:
                growing, first, missed = GrowingMap(MEMORY), t, 0
                last, pace = np.zeros(2), np.zeros(2)
                self.offsets[t] = 0
                growing.blend(picture, self._weight, last)
                continue
            fit = self._find(picture, growing, last + pace * (1 + missed), missed)
            usually = float(np.median(correlations[-15:])) if correlations else 0.0
            if fit.correlation < max(LEAST_CORRELATION, LEAST_SHARE * usually):
                missed += 1
                continue
            correlations.append(fit.correlation)
            self._take(t, fit)
            growing.blend(self._pictures[t], self._weight, fit.offset)
            pace = 0.5 * pace + 0.5 * np.clip((fit.offset - last) / (1 + missed), -8, 8)
            last, missed = fit.offset, 0

    def clean(self, progress: Progress) -> None:
        """Take what all frames show beyond the map for the probe's, and remove it from them."""
        growing, placed = self._map(), np.flatnonzero(self.placed)
        beyond = np.zeros(self._tissue.shape, np.float32)
        for step in progress.steps(len(placed), "Removing what moves with the probe"):
            t = placed[step]
            beyond += self._pictures[t] - _seen_from(growing, self.offsets[t], self._size)[0]
        beyond *= self._tissue / len(placed)
        for t in placed:
            self._pictures[t] -= beyond

    def follow_again(self, progress: Progress) -> None:
        """Second pass: the map grows anew, every frame nudged to where it fits now."""
        growing, placed, nudge = GrowingMap(MEMORY), np.flatnonzero(self.placed), np.zeros(2)
        for step in progress.steps(len(placed), "Following the frames again"):
            t = placed[step]
            if step:
                fit = self._nudged(self._pictures[t], growing, self.offsets[t] + nudge, 2)
                nudge = fit.offset - self.offsets[t]
                self._take(t, fit)
            growing.blend(self._pictures[t], self._weight, self.offsets[t])

    def settle(self, progress: Progress) -> None:
        """Third pass: every frame against the map of all others, its blocks voting; those that do not fit lose."""
        growing, placed = self._map(), np.flatnonzero(self.placed)
        for step in progress.steps(len(placed), "Settling the frames"):
            t = placed[step]
            others = _Others(growing, self._pictures[t], self._weight, self.offsets[t])
            self.fits[t] = self._voted(self._pictures[t], others, self.offsets[t])
        correlations = np.array([fit.correlation if fit else np.nan for fit in self.fits])
        least = max(LEAST_CORRELATION, LEAST_SHARE * float(np.nanmedian(correlations)))
        for t in placed:
            fit = self.fits[t]
            assert fit is not None
            self.offsets[t] = fit.offset if fit.correlation >= least else np.nan

    def track(self) -> Track:
        """What was found, in pixels of the frames, relative to the first frame that was placed."""
        placed = self.placed
        offsets = self.offsets * (1, self._rows_px)
        if placed.any():
            offsets -= offsets[np.flatnonzero(placed)[0]]
        fits = [fit if good else None for fit, good in zip(self.fits, placed, strict=True)]
        return Track(
            offsets,
            np.array([fit.blocks if fit else 0 for fit in fits], np.int64),
            np.array([fit.agreeing if fit else 0 for fit in fits], np.int64),
            np.array([fit.correlation if fit else 0.0 for fit in fits]),
            np.zeros(len(fits)),
            np.array([fit.spread if fit else np.nan for fit in fits]),
        )

    def _usual_contrast(self) -> float:
        sample = np.unique(np.linspace(0, len(self._frames) - 1, min(len(self._frames), 24)).astype(int))
        return float(np.median([self._picture(int(t)).std() for t in sample]))

    def _picture(self, t: int) -> Picture:
        """A frame without the probe's layer, smoothed, its mean over the tissue zero."""
        if t not in self._pictures:
            picture = _resized(self._frames[t], self._size).astype(np.float32) - self._grey
            picture -= float(np.vdot(picture, self._weight)) / max(float(self._weight.sum()), 1.0)
            self._pictures[t] = cv2.GaussianBlur(picture * self._tissue, (5, 5), BLUR_PX)
        return self._pictures[t]

    def _take(self, t: int, fit: _Fit) -> None:
        self.offsets[t] = fit.offset
        self._pictures[t] += fit.brighter * self._tissue

    def _map(self) -> GrowingMap:
        growing = GrowingMap()
        for t in np.flatnonzero(self.placed):
            growing.blend(self._pictures[t], self._weight, self.offsets[t])
        return growing

    def _find(self, picture: Picture, growing: GrowingMap, expected: NDArray[np.float64], missed: int) -> _Fit:
        """Where a frame fits on the map, to even pixels by normalised correlation, then to fractions."""
        searches = [(REACH_PX, expected)]
        if missed:
            far = (FAR_PX[0] * (1 + missed // 2), FAR_PX[1])
            searches.append((far, expected))
        best, start = -1.0, expected
        small = cv2.resize(picture * self._weight, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)[2:-2, 8:-8]
        for reach, middle in searches:
            corner = (np.floor(middle / 2).astype(int) - np.array(reach) // 2) * 2
            width, height = self._size[0] + 2 * reach[0], self._size[1] + 2 * reach[1]
            window, seen = growing.window(int(corner[0]), int(corner[1]), width, height)
            half = cv2.resize(window * (seen > 0.5), None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
            scores = cv2.matchTemplate(half, small, cv2.TM_CCORR_NORMED)
            _, score, _, (x, y) = cv2.minMaxLoc(scores)
            if score > best:
                best, start = score, corner + 2 * np.array([x - 8, y - 2])
        return self._nudged(picture, growing, start.astype(np.float64), STEPS)

    def _nudged(self, picture: Picture, growing: GrowingMap, start: NDArray[np.float64], steps: int) -> _Fit:
        """Gauss-Newton steps on the whole frame at once."""
        offset, brighter = start.copy(), 0.0
        below, weight = picture, self._weight
        for _ in range(steps):
            below, seen = _seen_from(growing, offset, self._size)
            weight = self._weight * (seen > 0.5)
            terms = _Terms(picture, below, weight)
            step, brighter = terms.step, terms.brighter
            offset = offset - step
            if np.hypot(*step) < 0.02:
                break
        return _Fit(offset, _correlation(picture, below - brighter, weight), brighter)

    def _voted(self, picture: Picture, others: _Others, start: NDArray[np.float64]) -> _Fit:
        """One Gauss-Newton step on each block, and where most of them want to go."""
        below, seen = others.seen_from(start, self._size)
        weight = self._weight * (seen > 0.5)
        terms = _Terms(picture, below, weight)
        blocks = terms.blocks()
        good = blocks.texture > max(0.1 * float(np.median(blocks.texture)), 1e-6)
        correlation = _correlation(picture, below - terms.brighter, weight)
        if np.count_nonzero(good) < 4:
            return _Fit(start - terms.step, correlation, terms.brighter)
        votes = np.where(good, blocks.sureness, 0.0)
        step = np.zeros(2)
        apart, spread = np.zeros_like(votes), 1.0
        for _ in range(3):
            step = blocks.common_step(votes)
            apart = blocks.apart(step)
            spread = 1.4826 * float(np.median(np.abs(apart[good]))) + 1e-3
            votes = np.where(good, blocks.sureness, 0.0) / (1 + (apart / (2 * spread)) ** 2)
        length = float(np.hypot(*step))
        step = step * min(1.0, 1.5 / max(length, 1e-9))
        agreeing = int(np.count_nonzero(good & (np.abs(apart) < AGREES_PX)))
        return _Fit(start - step, correlation, terms.brighter, int(np.count_nonzero(good)), agreeing, spread)


class _Terms:
    """Gauss-Newton's normal equations of a frame on the map, for its offset and a constant in brightness.

    Attributes:
        step: what to take off the offset.
        brighter: how much brighter the map is.
    """

    def __init__(self, picture: Picture, below: Picture, weight: Picture) -> None:
        self._dx, self._dy = np.zeros_like(below), np.zeros_like(below)
        self._dx[:, 1:-1] = 0.5 * (below[:, 2:] - below[:, :-2])
        self._dy[1:-1] = 0.5 * (below[2:] - below[:-2])
        total = float(weight.sum()) + 1e-6
        error = below - picture
        self.brighter = float(np.vdot(weight, error)) / total
        self._error = error - self.brighter
        self._weighted = weight * self._dx, weight * self._dy
        x, y = self._weighted
        mean = np.array([x.sum(), y.sum()]) / total
        cross = float(np.vdot(x, self._dy))
        normal = np.array([[np.vdot(x, self._dx), cross], [cross, np.vdot(y, self._dy)]]) - total * np.outer(mean, mean)
        right = np.array([np.vdot(x, self._error), np.vdot(y, self._error)])
        step = np.linalg.solve(normal + (1e-3 * np.trace(normal) + 1e-6) * np.eye(2), right)
        self.step = step * min(1.0, 1.5 / max(float(np.hypot(*step)), 1e-9))
        self._parts = picture, below, weight

    def blocks(self) -> _Blocks:
        """The same sums for each block of the frame."""
        rows, columns = (n // size for n, size in zip(self._error.shape, BLOCK_PX, strict=True))
        inside = np.s_[: rows * BLOCK_PX[0], : columns * BLOCK_PX[1]]

        def mean(values: Picture) -> Picture:
            return cv2.resize(values[inside], (columns, rows), interpolation=cv2.INTER_AREA).astype(np.float32)

        x, y = self._weighted
        _, below, weight = self._parts
        products = x * self._dx, x * self._dy, y * self._dy, x * self._error, y * self._error
        wrong, power = mean(weight * self._error * self._error), mean(weight * below * below)
        # The surer, the more the block's texture stands out of what does not fit.
        sureness = np.clip(1 - wrong / np.maximum(power, 1e-6), 0.02, 1) ** 2 / np.maximum(wrong, 1e-6)
        xx, xy, yy, xe, ye = (mean(product) for product in products)
        return _Blocks(xx, xy, yy, xe, ye, sureness)


@dataclass(frozen=True)
class _Blocks:
    """Normal equations of every block, (rows, columns) each: of the gradients, and of gradients and errors."""

    texture: Picture
    cross: Picture
    vertical: Picture
    right: Picture
    down: Picture
    sureness: NDArray[np.floating]

    def common_step(self, votes: NDArray[np.floating]) -> NDArray[np.float64]:
        """The step that the blocks would take together, each with its weight."""
        a, b, c = (float(np.vdot(votes, part)) for part in (self.texture, self.cross, self.vertical))
        right = np.array([np.vdot(votes, self.right), np.vdot(votes, self.down)])
        return np.asarray(np.linalg.solve(np.array([[a, b], [b, c]]) + (1e-4 * (a + c) + 1e-9) * np.eye(2), right))

    def apart(self, step: NDArray[np.float64]) -> NDArray[np.floating]:
        """How much further along the columns each block would step on its own."""
        return (self.right - self.cross * step[1]) / np.maximum(self.texture, 1e-6) - step[0]


class _Others:
    """The map of all frames but one, around that one."""

    def __init__(self, growing: GrowingMap, picture: Picture, weight: Picture, offset: NDArray[np.float64]) -> None:
        own = GrowingMap()
        own.blend(picture, weight, offset)
        corner = np.floor(offset).astype(int) - 2
        width, height = picture.shape[1] + 5, picture.shape[0] + 5
        mean, total = growing.window(int(corner[0]), int(corner[1]), width, height)
        own_mean, own_weight = own.window(int(corner[0]), int(corner[1]), width, height)
        self._corner = corner
        self._weight = np.maximum(total - own_weight, 0)
        self._mean = (mean * total - own_mean * own_weight) / np.maximum(self._weight, 0.3)

    def seen_from(self, offset: NDArray[np.float64], size: tuple[int, int]) -> tuple[Picture, Picture]:
        """Mean and weight where a frame with this offset lies."""
        return _shifted(self._mean, self._weight, offset - self._corner, size)


def _seen_from(growing: GrowingMap, offset: NDArray[np.float64], size: tuple[int, int]) -> tuple[Picture, Picture]:
    """The map's mean and weight where a frame with this offset lies."""
    corner = np.floor(offset).astype(int)
    mean, weight = growing.window(int(corner[0]), int(corner[1]), size[0] + 1, size[1] + 1)
    return _shifted(mean, weight, offset - corner, size)


def _shifted(mean: Picture, weight: Picture, by: NDArray[np.float64], size: tuple[int, int]) -> tuple[Picture, Picture]:
    matrix = np.array([[1, 0, -by[0]], [0, 1, -by[1]]])
    seen, count = (cv2.warpAffine(part, matrix, size, flags=cv2.INTER_LINEAR) for part in (mean, weight))
    return np.asarray(seen, np.float32), np.asarray(count, np.float32)


def _correlation(picture: Picture, below: Picture, weight: Picture) -> float:
    power = float(np.vdot(weight * picture, picture)) * float(np.vdot(weight * below, below))
    return float(np.vdot(weight * picture, below)) / np.sqrt(power) if power > 0 else 0.0


def _resized(picture: NDArray, size: tuple[int, int]) -> NDArray:
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
