"""The growing map: a running mean of all frames that were placed so far."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray


class GrowingMap:
    """A canvas that grows where frames are blended in.

    Every pixel is the mean of the frames that saw it. A mean, not the newest or the first frame, because what is noise
    in single frames averages out; its memory is limited, so that the map follows tissue that changes slowly.
    """

    def __init__(self, memory: float = float("inf")) -> None:
        """Begin an empty map.

        Args:
            memory: a pixel remembers about this many frames.
        """
        self._mean = np.zeros((0, 0), np.float32)
        self._weight = np.zeros((0, 0), np.float32)
        self._corner = np.zeros(2, int)
        self._memory = memory

    def blend(self, picture: NDArray[np.float32], weight: NDArray[np.float32], offset_px: NDArray[np.float64]) -> None:
        """Blend a picture in, its top-left pixel at ``offset_px`` [x, y] (sub-pixel)."""
        whole = np.floor(offset_px).astype(int)
        fx, fy = (float(f) for f in offset_px - whole)
        height, width = picture.shape[0] + 1, picture.shape[1] + 1
        value = cv2.copyMakeBorder(picture, 0, 1, 0, 1, cv2.BORDER_REPLICATE)
        value = cv2.sepFilter2D(value, -1, _cubic(fx), _cubic(fy), anchor=(2, 2), borderType=cv2.BORDER_REPLICATE)
        added = cv2.copyMakeBorder(weight, 0, 1, 0, 1, cv2.BORDER_CONSTANT, value=0)
        right, down = (np.array([part, 1 - part], np.float32) for part in (fx, fy))
        added = cv2.sepFilter2D(added, -1, right, down, anchor=(1, 1), borderType=cv2.BORDER_CONSTANT)
        self._reach(whole, width, height)
        x, y = whole - self._corner
        there = np.s_[y : y + height, x : x + width]
        mean, total = self._mean[there], self._weight[there]
        total += added
        value -= mean
        value *= added
        value /= total + np.float32(1e-6)
        mean += value
        if self._memory < float("inf"):
            np.minimum(total, np.float32(self._memory), out=total)

    def window(self, x: int, y: int, width: int, height: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Mean and weight (height, width) of the part whose first pixel is [x, y]; zero where nothing was seen.

        They are to be read at once and not to be written to: the next picture may be blended into them.
        """
        left, top = x - self._corner[0], y - self._corner[1]
        rows, columns = self._mean.shape
        if left >= 0 and top >= 0 and left + width <= columns and top + height <= rows:
            whole = np.s_[top : top + height, left : left + width]
            return self._mean[whole], self._weight[whole]
        mean, weight = np.zeros((height, width), np.float32), np.zeros((height, width), np.float32)
        here = np.s_[max(0, -top) : max(0, min(height, rows - top)), max(0, -left) : max(0, min(width, columns - left))]
        there = np.s_[max(0, top) : max(0, min(rows, top + height)), max(0, left) : max(0, min(columns, left + width))]
        mean[here], weight[here] = self._mean[there], self._weight[there]
        return mean, weight

    def whole(self) -> tuple[NDArray[np.float32], tuple[int, int]]:
        """The map, NaN where nothing was seen, and the offset [x, y] of its first pixel."""
        seen = self._weight > 0.01
        rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
        if rows.size == 0:
            return np.full((1, 1), np.nan, np.float32), (0, 0)
        box = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        picture = np.where(seen[box], self._mean[box], np.float32(np.nan))
        return picture, (int(self._corner[0] + columns[0]), int(self._corner[1] + rows[0]))

    def _reach(self, corner: NDArray[np.int_], width: int, height: int) -> None:
        """Make the canvas large enough, with room to spare so that this is rare."""
        if self._mean.size == 0:
            self._corner = corner.copy()
        end = self._corner + np.array(self._mean.shape[::-1])
        before = np.maximum(self._corner - corner, 0)
        after = np.maximum(corner + np.array([width, height]) - end, 0)
        if not (before.any() or after.any()):
            return
        spare = np.array([width, height // 4])
        before, after = np.where(before > 0, before + spare, 0), np.where(after > 0, after + spare, 0)
        margins = ((before[1], after[1]), (before[0], after[0]))
        self._mean, self._weight = np.pad(self._mean, margins), np.pad(self._weight, margins)
        self._corner = self._corner - before


def _cubic(shift: float) -> NDArray[np.float32]:
    """Four taps that move a row of pixels on by a fraction of one (Catmull and Rom's).

    Filtering is faster than warping, and exact where OpenCV's warps round to 1/32 of a pixel.
    """
    near, far = np.array([1 - shift, shift]), np.array([2 - shift, 1 + shift])
    inner = 1.5 * near**3 - 2.5 * near**2 + 1
    outer = -0.5 * far**3 + 2.5 * far**2 - 4 * far + 2
    return np.array([outer[0], inner[0], inner[1], outer[1]], np.float32)  # OpenCV is slow with doubles
