"""Key points of ultrasound pictures, and the matches between two pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

FeatureName = Literal["sift", "orb"]

RATIO = {"sift": 0.9, "orb": 0.9}
"""A match must beat the second best by this factor (Lowe's test)."""

LARGEST_PX = {"sift": 40_000, "orb": 160_000}
"""Pictures with more pixels are shrunk to about as many; SIFT doubles every edge by itself."""


class PointMatcher(Protocol):
    """Whatever pairs places of two pictures."""

    name: str

    def differences(
        self,
        picture: NDArray[np.uint8],
        mask: NDArray[np.bool_],
        window: NDArray[np.uint8],
        window_mask: NDArray[np.bool_],
    ) -> NDArray[np.float64]:
        """Coordinate differences (n, 2) [x, y] of the pairs, window minus picture, in px, where both masks are true."""


@dataclass(frozen=True)
class Features:
    """Key points (n, 2) [x, y] in px, and one descriptor for each."""

    points: NDArray[np.floating]
    descriptors: NDArray[Any]


class FeatureMatcher:
    """Finds key points with SIFT or ORB and pairs them between two pictures."""

    def __init__(self, name: FeatureName, picture_px: int) -> None:
        """Prepare a detector for pictures of about ``picture_px`` pixels; larger ones cost too much and are shrunk."""
        self.name: str = name
        self._detector: Any
        if name == "sift":
            self._detector = cv2.SIFT.create(nfeatures=1200, contrastThreshold=0.02, edgeThreshold=15)
            norm = cv2.NORM_L2
        else:
            self._detector = cv2.ORB.create(nfeatures=2000, nlevels=4, edgeThreshold=16, patchSize=31, fastThreshold=7)
            norm = cv2.NORM_HAMMING
        self._pairs = cv2.BFMatcher(norm)
        self._ratio = RATIO[name]
        self._scale = min(1.0, (LARGEST_PX[name] / picture_px) ** 0.5)

    def describe(self, picture: NDArray[np.uint8], mask: NDArray[np.bool_]) -> Features:
        """Key points of a grey picture where ``mask`` is true."""
        small = mask.astype(np.uint8)
        if self._scale < 1:
            picture = cv2.resize(picture, None, fx=self._scale, fy=self._scale, interpolation=cv2.INTER_AREA)
            small = cv2.resize(small, picture.shape[::-1], interpolation=cv2.INTER_NEAREST)
        points, descriptors = self._detector.detectAndCompute(picture, small)
        if descriptors is None:
            return Features(np.empty((0, 2), np.float32), np.empty((0, 1), np.float32))
        # cv2.resize keeps the corners of the outer pixels, so the scale is that of the sizes and applies to centres.
        scale = np.array([mask.shape[1] / picture.shape[1], mask.shape[0] / picture.shape[0]])
        return Features(((np.asarray(cv2.KeyPoint.convert(points)).reshape(-1, 2) + 0.5) * scale - 0.5), descriptors)

    def differences(
        self,
        picture: NDArray[np.uint8],
        mask: NDArray[np.bool_],
        window: NDArray[np.uint8],
        window_mask: NDArray[np.bool_],
    ) -> NDArray[np.float64]:
        """Coordinate differences (n, 2) [x, y] of matched key points, window minus picture, in px.

        A match is clearly better than the second best, and each point of the window is used once, by its best match.
        """
        frame, map_part = self.describe(picture, mask), self.describe(window, window_mask)
        if len(frame.points) < 2 or len(map_part.points) < 2:
            return np.empty((0, 2))
        nearest = self._pairs.knnMatch(frame.descriptors, map_part.descriptors, k=2)
        clear = [first for first, second in nearest if first.distance < self._ratio * second.distance]
        taken = {match.trainIdx: match.queryIdx for match in sorted(clear, key=lambda m: -m.distance)}
        if not taken:
            return np.empty((0, 2))
        there, here = np.array(list(taken.items())).T
        return np.asarray(map_part.points[there] - frame.points[here], dtype=np.float64)
