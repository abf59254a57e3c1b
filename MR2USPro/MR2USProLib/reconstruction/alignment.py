"""How a frame lies on a map of other frames: Newton's steps on grey levels, of the whole frame or of its blocks."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from .growing_map import GrowingMap

Picture = NDArray[np.float32]

BLOCK_PX = (15, 20)
"""Rows and columns of the blocks that vote on a frame's place."""

LONGEST_PX = 1.5
"""No step is longer: beyond, speckle says nothing about the way."""

SHORT_PX = 0.2
"""After a step as short as that another would find next to nothing."""

FEWEST_BLOCKS = 4

HALVES = np.array([[-0.5, 0.0, 0.5]], np.float32)

AGREES_PX = 1.0
"""A block whose own place lies nearer to the frame's than this agrees with it."""


@dataclass(frozen=True)
class Fit:
    """How a frame lies on a map.

    Attributes:
        offset: [x, y] where it fits best.
        correlation: of frame and map, in [-1, 1].
        brighter: how much brighter the map is.
        blocks: in how many blocks the two were compared, 0 where only as a whole.
        agreeing: how many of these want to go the same way.
        spread: standard deviation along x of where the blocks would go.
        pulls: (columns of blocks,) how far along x each column moved the frame by what it says otherwise than the rest;
            their sum is zero. None where the two were compared only as a whole.
    """

    offset: NDArray[np.float64]
    correlation: float
    brighter: float
    blocks: int = 0
    agreeing: int = 0
    spread: float = np.nan
    pulls: NDArray[np.float64] | None = None


def nudged(picture: Picture, weight: Picture, growing: GrowingMap, start: NDArray[np.float64], steps: int) -> Fit:
    """Newton's steps on the whole frame at once, from a place that is off by a pixel or two at most.

    Args:
        picture: (rows, columns) the frame.
        weight: how much each of its pixels counts.
        growing: the map, without this frame.
        start: [x, y].
        steps: at most so many.
    """
    offset, terms, slopes = start.copy(), None, _gradient(picture)
    for _ in range(steps):
        below, seen = seen_from(growing, offset, picture.shape)
        terms = _Terms(picture, slopes, below, weight * (seen > 0.5))
        offset = offset - terms.step
        if np.hypot(*terms.step) < SHORT_PX:
            break
    assert terms is not None
    return Fit(offset, terms.correlation, terms.brighter)


def voted(picture: Picture, weight: Picture, growing: GrowingMap, start: NDArray[np.float64]) -> Fit:
    """One step of the whole frame, which noise hurts least, and how many of its blocks would go the same way.

    Args:
        picture: (rows, columns) the frame.
        weight: how much each of its pixels counts.
        growing: the map, with this frame in it at ``start``; its part is taken out.
        start: [x, y].
    """
    below, seen = seen_from(growing, start, picture.shape)
    others = seen - weight
    below *= seen
    below -= weight * picture
    below /= cv2.max(others, 0.3)
    terms = _Terms(picture, _gradient(picture), below, weight * (others > 0.5))
    blocks = terms.blocks()
    good = blocks.texture > max(0.1 * middle(blocks.texture), 1e-6)
    pulls = blocks.pulls(terms.step)
    if np.count_nonzero(good) < FEWEST_BLOCKS:
        return Fit(start - terms.step, terms.correlation, terms.brighter, pulls=pulls)
    votes = trust = np.where(good, blocks.sureness, np.float32(0))
    step, apart, spread = np.zeros(2), np.zeros_like(votes), 1.0
    for _ in range(3):
        step = blocks.common_step(votes)
        apart = blocks.apart(step)
        spread = 1.4826 * middle(np.abs(apart[good])) + 1e-3
        votes = trust / (1 + (apart / (2 * spread)) ** 2)
    agreeing = int(np.count_nonzero(good & (np.abs(apart) < AGREES_PX)))
    compared = int(np.count_nonzero(good))
    return Fit(start - terms.step, terms.correlation, terms.brighter, compared, agreeing, spread, pulls)


def seen_from(growing: GrowingMap, offset: NDArray[np.float64], shape: tuple[int, ...]) -> tuple[Picture, Picture]:
    """The map's mean and weight where a frame with this offset and (rows, columns) lies."""
    corner = np.floor(offset).astype(int)
    window = growing.window(int(corner[0]), int(corner[1]), shape[1] + 1, shape[0] + 1)
    right, down = (np.array([1 - part, part], np.float32) for part in offset - corner)
    mean, weight = (cv2.sepFilter2D(part, -1, right, down, anchor=(0, 0))[:-1, :-1] for part in window)
    return np.asarray(mean, np.float32), np.asarray(weight, np.float32)


def middle(values: NDArray[np.floating]) -> float:
    """The median, or the value above it; NumPy's own takes longer than a block's equations."""
    return float(np.partition(values, values.size // 2, axis=None)[values.size // 2])


class _Terms:
    """Newton's equations of a frame on the map, for its offset.

    Only products of frame and map enter, never of one with itself: their noises differ and cancel. The map's noise
    squared would pull every frame a little along the sweep, as it is stronger where few frames have been.

    Attributes:
        step: what to take off the offset.
        brighter: how much brighter the map is.
        correlation: of the two.
    """

    def __init__(self, picture: Picture, slopes: tuple[Picture, Picture], below: Picture, weight: Picture) -> None:
        total = float(weight.sum()) + 1e-6
        here, there = (float(np.vdot(weight, part)) / total for part in (picture, below))
        px, py = slopes
        mx, my = _gradient(below)
        mx *= weight
        my *= weight
        picture, below = picture - np.float32(here), below - np.float32(there)
        weighted, mapped = weight * picture, weight * below
        self._parts = picture, below, weight, mapped, px, py, mx, my
        xx, xy, yx, yy = (float(np.vdot(m, p)) for m in (mx, my) for p in (px, py))
        xe, ye = (0.5 * float(np.vdot(p, mapped) - np.vdot(m, picture)) for p, m in ((px, mx), (py, my)))
        damping = 1e-3 * abs(xx + yy) + 1e-6
        self.step = _short(_solved(xx + damping, 0.5 * (xy + yx), yy + damping, xe, ye))
        self.brighter = there - here
        power = float(np.vdot(weighted, picture)) * float(np.vdot(mapped, below))
        self.correlation = float(np.vdot(weighted, below)) / np.sqrt(power) if power > 0 else 0.0

    def blocks(self) -> _Blocks:
        """The same sums for each block of the frame."""
        picture, below, weight, mapped, px, py, mx, my = self._parts
        rows, columns = (n // size for n, size in zip(below.shape, BLOCK_PX, strict=True))
        inside = np.s_[: rows * BLOCK_PX[0], : columns * BLOCK_PX[1]]

        def mean(values: NDArray[np.floating]) -> Picture:
            return np.asarray(cv2.resize(values[inside], (columns, rows), interpolation=cv2.INTER_AREA), np.float32)

        error = below - picture
        wrong, power = mean(weight * error * error), mean(mapped * below)
        # The surer, the more the block's texture stands out of what does not fit.
        sureness = np.clip(1 - wrong / np.maximum(power, 1e-6), 0.02, 1) ** 2 / np.maximum(wrong, 1e-6)
        xx, xy, yy = mean(mx * px), 0.5 * (mean(mx * py) + mean(my * px)), mean(my * py)
        xe, ye = 0.5 * mean(px * mapped - mx * picture), 0.5 * mean(py * mapped - my * picture)
        return _Blocks(xx, xy, yy, xe, ye, sureness)


@dataclass(frozen=True)
class _Blocks:
    """The equations of every block, (rows, columns) each: of gradients, and of gradients and grey levels."""

    texture: Picture
    cross: Picture
    vertical: Picture
    right: Picture
    down: Picture
    sureness: NDArray[np.floating]

    def common_step(self, votes: NDArray[np.floating]) -> NDArray[np.float64]:
        """The step that the blocks would take together, each with its weight."""
        a, b, c = (float(np.vdot(votes, part)) for part in (self.texture, self.cross, self.vertical))
        damping = 1e-4 * abs(a + c) + 1e-9
        return _solved(a + damping, b, c + damping, float(np.vdot(votes, self.right)), float(np.vdot(votes, self.down)))

    def pulls(self, step: NDArray[np.float64]) -> NDArray[np.float64]:
        """How far along x each column of blocks moves the frame, beyond the step that all take."""
        x = (self.right - self.texture * step[0] - self.cross * step[1]).sum(axis=0, dtype=np.float64)
        y = (self.down - self.cross * step[0] - self.vertical * step[1]).sum(axis=0, dtype=np.float64)
        a, b, c = (float(part.sum()) for part in (self.texture, self.cross, self.vertical))
        determinant = a * c - b * b
        return np.asarray((b * y - c * x) / determinant) if determinant > 0 else np.zeros_like(x)

    def apart(self, step: NDArray[np.float64]) -> NDArray[np.floating]:
        """How much further along the columns each block would step on its own."""
        return (self.right - self.cross * step[1]) / np.maximum(self.texture, 1e-6) - step[0]


def _gradient(picture: Picture) -> tuple[Picture, Picture]:
    """Central differences along columns and rows."""
    along, down = (cv2.filter2D(picture, -1, kernel) for kernel in (HALVES, HALVES.T))
    return np.asarray(along, np.float32), np.asarray(down, np.float32)


def _solved(xx: float, xy: float, yy: float, x: float, y: float) -> NDArray[np.float64]:
    """Two symmetric linear equations, far faster than by a library."""
    determinant = xx * yy - xy * xy
    if determinant == 0:
        return np.zeros(2)
    return np.array([yy * x - xy * y, xx * y - xy * x]) / determinant


def _short(step: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(step * min(1.0, LONGEST_PX / max(float(np.hypot(*step)), 1e-9)))
