"""A second look at the offsets, with what moves with the probe known better than at first.

The temporal median holds a trace of the tissue itself where the probe moved little, and so biases small motions. The
mean difference of the frames and the map that they made does not.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from ..progress import Progress
from .displacement import refine
from .growing_map import GrowingMap
from .localisation import BLUR_PX, MEMORY, Track, feather
from .probe_layer import ProbeLayer

REACH_PX = 2
"""Matching has decided where a frame lies; the polish moves it no further than this."""


def polish(frames: NDArray[np.uint8], layer: ProbeLayer, track: Track, progress: Progress) -> Track:
    """Estimate the probe's layer anew, and let the map grow again, every frame nudged to its peak of correlation."""
    cleaner = _cleaner_layer(frames, layer, track, progress.part(0, 0.4))
    rows, columns = layer.tissue.shape
    growing, weight, placed = GrowingMap(MEMORY), feather(layer.tissue), np.flatnonzero(track.placed)
    offsets, correlation, nudge = track.offsets_px.copy(), track.correlation.copy(), np.zeros(2)
    for step in progress.part(0.4, 1).steps(len(placed), "Polishing the offsets"):
        t = placed[step]
        picture = cv2.GaussianBlur(cleaner.removed(frames[t]), (0, 0), BLUR_PX)
        if step > 0:
            start = offsets[t] + nudge
            corner = np.floor(start).astype(int) - REACH_PX - 1
            window, seen = growing.window(corner[0], corner[1], columns + 2 * REACH_PX + 3, rows + 2 * REACH_PX + 3)
            found, correlation[t] = refine(picture, layer.tissue, window, seen > 0.5, start - corner, REACH_PX)
            offsets[t] = found + corner
            nudge = offsets[t] - track.offsets_px[t]
        growing.blend(picture, weight, offsets[t])
    return replace(track, offsets_px=offsets, correlation=correlation)


def _cleaner_layer(frames: NDArray[np.uint8], layer: ProbeLayer, track: Track, progress: Progress) -> ProbeLayer:
    """The layer with the mean of what the placed frames show beyond layer and map added to it."""
    finished, weight, placed = GrowingMap(), feather(layer.tissue), np.flatnonzero(track.placed)
    for step in progress.part(0, 0.5).steps(len(placed), "Removing what moves with the probe"):
        finished.blend(layer.removed(frames[placed[step]]), weight, track.offsets_px[placed[step]])
    rows, columns = layer.tissue.shape
    beyond = np.zeros((rows, columns), np.float64)
    for step in progress.part(0.5, 1).steps(len(placed), "Removing what moves with the probe"):
        t = placed[step]
        corner = np.floor(track.offsets_px[t]).astype(int)
        window, _ = finished.window(corner[0], corner[1], columns + 1, rows + 1)
        x, y = (float(part) for part in corner - track.offsets_px[t])
        below = cv2.warpAffine(window, np.array([[1, 0, x], [0, 1, y]]), (columns, rows), flags=cv2.INTER_LINEAR)
        beyond += layer.removed(frames[t]) - below
    beyond = np.where(layer.tissue, beyond / max(len(placed), 1), 0)
    return replace(layer, grey=(layer.grey + beyond).astype(np.float32))
