"""Placing: transverse frames become slices of a volume, each where its sagittal partner was found (paper, III-A)."""

from __future__ import annotations

from collections.abc import Sequence
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

VoxelSize = float | Sequence[float] | None


@dataclass(frozen=True)
class Placement:
    """A sparse volume.

    Attributes:
        volume: float32 grey levels, 0 where nothing was measured.
        measured: (k, j, i) voxels that hold data.
        fan: (j, i) pixels of a slice inside the fan.
        at: (k,) where in slices the frames of each slice were on average, NaN where there are none. Up to half a
            slice from its middle.
    """

    volume: Volume
    measured: NDArray[np.bool_]
    fan: NDArray[np.bool_]
    at: NDArray[np.float64]

    @property
    def inside(self) -> NDArray[np.bool_]:
        """(k, j, i) what the sweep of the fan covers: beyond its first and its last frame nobody has looked."""
        reached, count = np.flatnonzero(self.measured.any(axis=(1, 2))), len(self.measured)
        inside = np.zeros(self.measured.shape, np.bool_)
        inside[reached.min(initial=count) : reached.max(initial=-1) + 1] = self.fan
        return inside


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
    depths_mm: NDArray[np.floating] | None = None,
    voxel_mm: VoxelSize = None,
    extent_mm: Sequence[float] | None = None,
    progress: Progress = SILENT,
) -> Placement:
    """Put each transverse frame at its place along the probe's shaft and in depth.

    The world is LPS: x = (column - (W-1)/2) dx, y = -(row dy + depth), z = -position, so k = 0 is the most cranial
    plane and k runs to the feet. A frame goes to the nearest plane; frames that share a plane are averaged, the nearer
    ones weighing more.

    Args:
        transverse: uint8 (frame, row, column), 0 outside the fan.
        transverse_spacing_mm: (row, column).
        positions_mm: (n,) caudal positive.
        usable: (n,) frames to place; the others leave gaps.
        depths_mm: (n,) of each frame's first row in the world, away from the probe positive: the wobble of the hand.
            All 0 where not given.
        voxel_mm: edge of the voxels, or their edges along x, y and z; 0.5 mm where not given.
        extent_mm: x0, y0, z0, x1, y1, z1 of the volume's outer edges, LPS; what the frames cover where not given. Where
            an edge is no multiple of the voxel, the volume begins at the left (x0), the probe (y1) and the head (z1),
            and its last voxel reaches beyond the other end.
        progress: told before every frame.

    Raises:
        InputError: fewer than two usable frames, no fan, a sweep without extent, a box without a frame, or a volume
            beyond reason.
    """
    n, rows, columns = transverse.shape
    chosen = np.flatnonzero(usable)
    depths = np.zeros(n) if depths_mm is None else np.asarray(depths_mm, np.float64)
    if len({n, len(positions_mm), len(usable), len(depths)}) > 1:
        raise ValueError(f"{n} frames, but {len(positions_mm)} positions, {len(depths)} depths, {len(usable)} marks.")
    voxel = _voxel(voxel_mm)
    if len(chosen) < 2:
        raise InputError(
            "Fewer than two frames have a known place: give a sweep whose sagittal frames can be stitched."
        )
    fan = fan_mask(transverse[chosen])
    if not fan.any():
        raise InputError("The transverse frames are black: check --transverse-roi.")
    along = np.asarray(positions_mm, np.float64)
    first, last = float(along[chosen].min()), float(along[chosen].max())
    if last - first < voxel[2]:
        raise InputError(
            f"The sweep covers only {last - first:.2f} mm along the probe's shaft, and a voxel {voxel[2]:g} mm: give "
            "one in which the probe moves, or a smaller --voxel."
        )
    row_mm, column_mm = transverse_spacing_mm
    # Outer edges of pixels across and in depth; in the middle of the end frames along the shaft.
    covered = np.array([
        [-columns * column_mm / 2, row_mm / 2 - rows * row_mm - depths[chosen].max(), -last - voxel[2] / 2],
        [columns * column_mm / 2, row_mm / 2 - depths[chosen].min(), -first + voxel[2] / 2],
    ])  # fmt: skip
    grid = _covering(covered, voxel) if extent_mm is None else _box(extent_mm, voxel)
    at = grid.to_index(np.stack([0 * along, 0 * along, -along], -1))[:, 2]
    planes = np.floor(at + 0.5).astype(int)
    if extent_mm is None:
        planes = np.minimum(planes, grid.shape[0] - 1)
    chosen = chosen[(planes[chosen] >= 0) & (planes[chosen] < grid.shape[0])]
    if not len(chosen):
        raise InputError(f"No frame lies in the box; they lie from z = {-last:.1f} to {0 - first:.1f} (--extent).")

    resampler = _Resampler((rows, columns), transverse_spacing_mm, grid)
    inside = resampler(fan.astype(np.float32), float(np.median(depths[chosen]))) > 0.5
    array, measured = np.zeros(grid.shape, np.float32), np.zeros(grid.shape, np.bool_)
    weight, places, total = np.zeros(grid.shape[1:], np.float32), np.zeros(len(array)), np.zeros(len(array))
    chosen = chosen[np.argsort(planes[chosen], kind="stable")]
    for step in progress.steps(len(chosen), "Placing transverse frames"):
        t = chosen[step]
        k = planes[t]
        near = max(1.0 - abs(at[t] - k), 0.5)
        places[k] += near * at[t]
        total[k] += near
        share = resampler(fan.astype(np.float32), depths[t])
        hit = share > 0.5
        array[k] += np.where(hit, near * resampler(transverse[t] * fan.astype(np.float32), depths[t]), 0)
        weight += np.where(hit, near * share, 0)
        if step + 1 == len(chosen) or planes[chosen[step + 1]] != k:
            measured[k] = (weight > 0) & inside
            array[k] = np.where(measured[k], array[k] / np.maximum(weight, 1e-6), 0)
            weight[:] = 0
    places = np.divide(places, total, out=np.full(len(array), np.nan), where=total > 0)
    return Placement(Volume(array, grid), measured, inside, places)


def _voxel(voxel_mm: VoxelSize) -> tuple[float, float, float]:
    given = DEFAULT_VOXEL_MM if voxel_mm is None else voxel_mm
    edges = tuple(float(edge) for edge in np.ravel(given))
    x, y, z = edges * 3 if len(edges) == 1 else edges
    if not (np.isfinite([x, y, z]).all() and min(x, y, z) > 0):
        raise InputError(f"Voxels of {voxel_mm} mm cannot be made: give a positive --voxel.")
    return x, y, z


def _covering(edges_mm: NDArray[np.float64], voxel: tuple[float, float, float]) -> Grid:
    """Voxels over what the frames cover: centred across, from the probe on in depth, from the first frame on along."""
    width, height, depth = (
        max(2, int(np.rint(size / edge))) for size, edge in zip(edges_mm[1] - edges_mm[0], voxel, strict=True)
    )
    return _grid((width, height, depth), voxel, (-(width - 1) / 2 * voxel[0], edges_mm[1, 1], edges_mm[1, 2]))


def _box(extent_mm: Sequence[float], voxel: tuple[float, float, float]) -> Grid:
    box = np.asarray(extent_mm, np.float64).reshape(2, 3)
    size = box[1] - box[0]
    if not (np.isfinite(box).all() and (size > 0).all()):
        raise InputError("--extent is no box: give x0,y0,z0,x1,y1,z1 in mm with x0 < x1, y0 < y1 and z0 < z1.")
    width, height, depth = (int(n) for n in np.maximum(np.ceil(size / voxel - 1e-6), 1))
    return _grid((width, height, depth), voxel, (box[0, 0] + voxel[0] / 2, box[1, 1], box[1, 2]))


def _grid(size: tuple[int, int, int], voxel: tuple[float, float, float], start: tuple[float, float, float]) -> Grid:
    """Voxels (i, j, k): x of the first centre, outer edges towards the probe (y) and the head (z)."""
    width, height, depth = size
    if depth * height * width > MOST_VOXELS:
        raise InputError(
            f"A volume of {width} x {height} x {depth} voxels is too large: give a larger --voxel or check --spacing."
        )
    origin = (start[0], start[1] - voxel[1] / 2, start[2] - voxel[2] / 2)
    return Grid((depth, height, width), voxel, origin, np.diag([1.0, -1.0, -1.0]))


class _Resampler:
    """Brings a frame onto the pixels of a slice: smoothed as much as it gets coarser, then linearly interpolated."""

    def __init__(self, frame_px: tuple[int, int], spacing_mm: tuple[float, float], grid: Grid) -> None:
        (_, height, width), (x_mm, y_mm, _) = grid.shape, grid.spacing_mm
        columns = (grid.origin_mm[0] + np.arange(width) * x_mm) / spacing_mm[1] + (frame_px[1] - 1) / 2
        rows = (np.arange(height) * y_mm - grid.origin_mm[1]) / spacing_mm[0]
        self._columns, self._rows = (m.astype(np.float32) for m in np.meshgrid(columns, rows))
        self._row_mm = spacing_mm[0]
        # A box as wide as a voxel, as two pixels' worth of Gaussian would be: sigma of a uniform box is 1/sqrt(12).
        self._sigma = [
            max(np.sqrt(max((voxel / pixel) ** 2 - 1, 0) / 12), 1e-3)
            for voxel, pixel in zip((y_mm, x_mm), spacing_mm, strict=True)
        ]

    def __call__(self, picture: NDArray[np.float32], depth_mm: float) -> NDArray[np.float32]:
        """The picture (row, column), whose first row lies at a depth, on a slice; 0 beyond its edges."""
        if max(self._sigma) > 0.05:
            sigma_y, sigma_x = self._sigma
            picture = cv2.GaussianBlur(picture, (0, 0), sigmaX=sigma_x, sigmaY=sigma_y, borderType=cv2.BORDER_CONSTANT)
        rows = self._rows - np.float32(depth_mm / self._row_mm)
        return np.asarray(
            cv2.remap(picture, self._columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT), dtype=np.float32
        )
