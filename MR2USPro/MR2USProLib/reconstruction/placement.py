"""Placing: transverse frames become slices of a volume, each where its sagittal partner was found (paper, III-A)."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..progress import SILENT, Progress
from ..volume import Grid, Volume

DEFAULT_VOXEL_MM = 0.5
DARK = 3
"""Grey levels up to this are the black outside the fan, as video compression leaves it."""

MOST_VOXELS = 400_000_000


@dataclass(frozen=True)
class Placement:
    """A sparse volume.

    Attributes:
        volume: float32 grey levels, 0 where nothing was measured.
        measured: (k, j, i) voxels that hold data.
        fan: (j, i) pixels of a slice inside the fan.
    """

    volume: Volume
    measured: NDArray[np.bool_]
    fan: NDArray[np.bool_]


def fan_mask(transverse: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Pixels (row, column) of the fan: the largest piece of what ever lights up, without holes.

    Text beside the fan is not part of it. Anechoic parts inside are, because the sweep carries echoes past them, or
    else because they are enclosed.
    """
    lit = (transverse.max(axis=0) > DARK).astype(np.uint8)
    closed = np.pad(lit, 4)
    closed = cv2.morphologyEx(closed, cv2.MORPH_CLOSE, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (7, 7)))
    count, pieces, stats, _ = cv2.connectedComponentsWithStats(closed[4:-4, 4:-4], connectivity=4)
    if count < 2:
        return np.zeros(lit.shape, dtype=np.bool_)
    largest = (pieces == 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))).astype(np.uint8)
    outlines, _ = cv2.findContours(largest, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled: NDArray[np.uint8] = np.zeros(lit.shape, np.uint8)
    cv2.drawContours(filled, outlines, -1, 1, cv2.FILLED)
    return filled > 0


def place(
    transverse: NDArray[np.uint8],
    transverse_spacing_mm: tuple[float, float],
    positions_mm: NDArray[np.floating],
    *,
    usable: NDArray[np.bool_],
    voxel_mm: float | None = None,
    progress: Progress = SILENT,
) -> Placement:
    """Put each transverse frame at its position along the probe's shaft.

    The world is LPS: x = (column - (W-1)/2) dx, y = -row dy, z = -position, so k = 0 is the most cranial plane and k
    runs to the feet. A frame goes to the nearest plane; frames that share a plane are averaged, the nearer ones
    weighing more.

    Args:
        transverse: uint8 (frame, row, column), 0 outside the fan.
        transverse_spacing_mm: (row, column).
        positions_mm: (n,) caudal positive.
        usable: (n,) frames to place; the others leave gaps.
        voxel_mm: edge of the cubic voxels, 0.5 mm where not given.
        progress: told before every frame.

    Raises:
        InputError: fewer than two usable frames, no fan, a sweep without extent, or a volume beyond reason.
    """
    n, rows, columns = transverse.shape
    voxel = DEFAULT_VOXEL_MM if voxel_mm is None else float(voxel_mm)
    chosen = np.flatnonzero(usable)
    if len(positions_mm) != n or len(usable) != n:
        raise ValueError(f"{n} frames, but {len(positions_mm)} positions and {len(usable)} marks.")
    if not (np.isfinite(voxel) and voxel > 0):
        raise InputError(f"Voxels of {voxel_mm} mm cannot be made: give a positive size.")
    if len(chosen) < 2:
        raise InputError(
            "Fewer than two frames have a known place: give a sweep whose sagittal frames can be stitched."
        )
    fan = fan_mask(transverse[chosen])
    if not fan.any():
        raise InputError("The transverse frames are black: check --transverse-roi.")
    first, last = float(positions_mm[chosen].min()), float(positions_mm[chosen].max())
    if last - first < voxel:
        raise InputError(
            f"The sweep covers only {last - first:.2f} mm along the probe's shaft: give one in which the probe moves."
        )
    row_mm, column_mm = transverse_spacing_mm
    depth, height = int(np.rint((last - first) / voxel)) + 1, max(2, int(np.rint(rows * row_mm / voxel)))
    width = max(2, int(np.rint(columns * column_mm / voxel)))
    if depth * height * width > MOST_VOXELS:
        raise InputError(
            f"A volume of {width} x {height} x {depth} voxels is too large: give larger voxels or check --spacing."
        )
    # The slice is centred on the frame along x and shares its first edge along y, so that the fan keeps its place.
    origin = (-(width - 1) / 2 * voxel, -(voxel - row_mm) / 2, -first)
    grid = Grid((depth, height, width), (voxel, voxel, voxel), origin, np.diag([1.0, -1.0, -1.0]))

    resampler = _Resampler((rows, columns), transverse_spacing_mm, (height, width), voxel)
    fan_share = resampler(fan.astype(np.float32))
    inside = fan_share > 0.5
    total, weight = np.zeros(grid.shape, np.float32), np.zeros(depth, np.float32)
    for step in progress.steps(len(chosen), "Placing transverse frames"):
        t = chosen[step]
        plane = (float(positions_mm[t]) - first) / voxel
        k = min(int(np.floor(plane + 0.5)), depth - 1)
        near = max(1.0 - abs(plane - k), 0.5)
        levels = resampler(transverse[t].astype(np.float32) * fan) / np.maximum(fan_share, 1e-3)
        total[k] += near * levels
        weight[k] += near
    measured = (weight > 0)[:, None, None] & inside
    array = np.where(measured, total / np.maximum(weight, 1e-6)[:, None, None], 0).astype(np.float32)
    return Placement(Volume(array, grid), measured, inside)


class _Resampler:
    """Brings a frame onto the pixels of a slice: smoothed as much as it gets coarser, then linearly interpolated."""

    def __init__(
        self, frame_px: tuple[int, int], spacing_mm: tuple[float, float], slice_px: tuple[int, int], voxel_mm: float
    ) -> None:
        y_mm = spacing_mm[0] * -0.5 + (np.arange(slice_px[0]) + 0.5) * voxel_mm
        x_mm = (np.arange(slice_px[1]) - (slice_px[1] - 1) / 2) * voxel_mm
        rows, columns = y_mm / spacing_mm[0], x_mm / spacing_mm[1] + (frame_px[1] - 1) / 2
        self._columns, self._rows = (m.astype(np.float32) for m in np.meshgrid(columns, rows))
        # A box as wide as a voxel, as two pixels' worth of Gaussian would be: sigma of a uniform box is 1/sqrt(12).
        self._sigma = [np.sqrt(max((voxel_mm / s) ** 2 - 1, 0) / 12) for s in spacing_mm]

    def __call__(self, picture: NDArray[np.float32]) -> NDArray[np.float32]:
        if max(self._sigma) > 0.05:
            sigma_y, sigma_x = (max(s, 1e-3) for s in self._sigma)
            picture = cv2.GaussianBlur(picture, (0, 0), sigmaX=sigma_x, sigmaY=sigma_y, borderType=cv2.BORDER_REPLICATE)
        return np.asarray(
            cv2.remap(picture, self._columns, self._rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE),
            dtype=np.float32,
        )
