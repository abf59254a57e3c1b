"""The last word of what the user knows: surfaces of both glands meet, and landmarks lie on their counterparts.

It is a diffeomorphism in front of whatever registration came before (or of none), the flow of a stationary velocity.
At each step the outline of the moving gland, as it is carried so far, is pulled along its normal to that of the fixed
gland (a demons step on signed distances), and the velocity that landmarks ask for is worked out anew (a smoothing
spline of Gaussians, with weights after Huber). Surfaces take along but a few millimetres of tissue, landmarks much
more: two outlines differ by how they were drawn as much as by how the gland was pressed, and on real pairs the places
inside were met the better, the less they followed a surface.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates

from ..errors import InputError
from ..progress import SILENT, Progress
from ..volume import Grid, Volume
from .guidance import Guidance
from .transforms import inverse_points

if TYPE_CHECKING:
    from .pair import FittedDeformation

Array = NDArray[np.float64]

STEPS = 15
CELL_MM = 2.5
"""Spacing of the velocity; surfaces and landmarks ask for nothing finer."""
REACH_MM = 10.0
"""Distances beyond are not told apart."""
SURFACE_MM = 2.0
"""Thickness of what counts as the surface."""
TAKEN_ALONG_MM = 3.0
"""Standard deviation of the Gaussian by which a surface takes tissue along; that of a landmark is the next."""
LANDMARK_MM = 10.0
DRAWN_MM = 0.5
"""Outlines that are nearer to each other than this have met."""
LARGEST_STEP_MM = 3.0
RELAXED_MM = 1.0
LOOSENESS = 0.5
"""Variance with which a landmark is marked, as a share of that with which tissue moves."""
OUTLIER_MM = 3.0
"""A landmark that stays farther off than this is pulled with a force that grows no more (Huber)."""


def led(
    found: FittedDeformation, grid: Grid, initial: sitk.Transform, guidance: Guidance, progress: Progress = SILENT
) -> FittedDeformation:
    """A registration that ends where masks of both glands and landmark pairs say.

    Args:
        found: what came before, on ``grid``.
        grid: of the networks.
        initial: fixed to moving points, LPS mm.
        guidance: nothing changes where it has neither both masks nor points.
        progress: told about every step.

    Raises:
        Cancelled: the user asked to stop.
        InputError: a landmark lies outside the grid, or has no counterpart.
    """
    import torch

    from .deformation import compose, integrate, resize
    from .pair import to_array

    if not guidance.leads:
        return found
    velocity = _velocity(found, grid, initial, guidance, progress)
    whole = torch.from_numpy(np.moveaxis(velocity, -1, 0)[None].astype(np.float32))
    there, back = (
        torch.from_numpy(np.moveaxis(field, -1, 0)[None].copy()) for field in (found.displacement, found.inverse)
    )
    with torch.no_grad():
        whole = resize(whole, grid.shape)
        there = compose(integrate(whole), there)
        back = compose(back, integrate(-whole))
    return replace(found, displacement=to_array(there, grid.shape), inverse=to_array(back, grid.shape))


def _velocity(
    found: FittedDeformation, grid: Grid, initial: sitk.Transform, guidance: Guidance, progress: Progress
) -> NDArray[np.float64]:
    """(k, j, i, 3) in voxels of :func:`_coarse`'s grid along (i, j, k)."""
    cells = _coarse(grid)
    surfaces = None if guidance.glands is None else _Surfaces(*guidance.glands, _so_far(found, grid, initial), cells)
    marks = _Marks(found, grid, initial, guidance, cells) if len(guidance.fixed_points_mm) else None
    pressed = np.zeros((*cells.shape, 3))
    velocity = pressed
    for _ in progress.steps(STEPS, "Meeting what was drawn"):
        flow = _flow(velocity)
        if surfaces is not None:
            pressed = surfaces.relaxed(pressed + surfaces.step(flow))
        velocity = pressed if marks is None else pressed + marks.velocity(flow)
    return velocity


class _Surfaces:
    """The outlines of both glands as signed distances on the cells."""

    def __init__(self, moving: Volume, fixed: Volume, carried: sitk.Transform, cells: Grid) -> None:
        self._spacing = np.asarray(cells.spacing_mm)
        self._fixed = signed_distance_mm(fixed).resampled(cells, outside=REACH_MM).array
        self._moving = signed_distance_mm(moving).resampled(cells, carried, outside=REACH_MM).array
        self._near = np.exp(-((self._fixed / SURFACE_MM) ** 2))
        self._sigmas = TAKEN_ALONG_MM / self._spacing[::-1]
        self._weight = gaussian_filter(self._near, self._sigmas, mode="nearest") + 0.1

    def step(self, flow: Array) -> Array:
        """What to add to the velocity, (k, j, i, 3) in voxels, where the flow (likewise) is what it gives so far."""
        moving = map_coordinates(self._moving, _indices(flow), order=1, mode="nearest")
        slope = np.stack(np.gradient(moving, *self._spacing[::-1])[::-1], axis=-1)
        off = moving - self._fixed
        off = np.sign(off) * np.clip(np.abs(off) - DRAWN_MM, 0.0, LARGEST_STEP_MM)
        pull = -(self._near * off / ((slope**2).sum(axis=-1) + 0.1))[..., None] * slope
        spread = gaussian_filter(pull, (*self._sigmas, 0), mode="nearest") / self._weight[..., None]
        return np.asarray(spread / self._spacing)

    def relaxed(self, velocity: Array) -> Array:
        """A little smoother, so that what is pulled for long does not fold."""
        return np.asarray(gaussian_filter(velocity, (*(RELAXED_MM / self._spacing[::-1]), 0), mode="nearest"))


class _Marks:
    """Landmarks of the fixed image, and where they have to go so that the registration so far meets the moving ones."""

    def __init__(
        self, found: FittedDeformation, grid: Grid, initial: sitk.Transform, guidance: Guidance, cells: Grid
    ) -> None:
        outside = ~grid.contains(guidance.fixed_points_mm)
        if outside.any():
            raise InputError(
                f"Point {int(np.argmax(outside)) + 1} of the TRUS volume (--fixed-points) lies outside the region that "
                "is registered: take it out, or give a larger --fixed-roi."
            )
        undeformed = grid.to_index(inverse_points(guidance.moving_points_mm, initial))
        self._spacing = np.asarray(cells.spacing_mm)
        self._at = cells.to_index(guidance.fixed_points_mm)
        self._to = cells.to_index(grid.to_world(undeformed + _at(found.inverse, undeformed)))
        self._coefficients: Array = np.zeros((len(self._at), 3))
        self._kernel = self._gaussian(self._at)
        k, j, i = np.meshgrid(*(np.arange(n, dtype=float) for n in cells.shape), indexing="ij")
        self._cells = np.stack([i, j, k], axis=-1)

    def _gaussian(self, index: Array) -> Array:
        """(..., points): how much each landmark takes along what lies at an index (..., 3)."""
        apart = (index[..., None, :] - self._at) * self._spacing
        return np.exp(-0.5 * (apart**2).sum(axis=-1) / LANDMARK_MM**2)

    def velocity(self, flow: Array) -> Array:
        """What the landmarks ask for, (k, j, i, 3) in voxels, where the flow (likewise) is what there is so far."""
        off = self._to - self._at - _at(flow, self._at)
        length = np.linalg.norm(off * self._spacing, axis=-1)
        loose = np.diag(LOOSENESS * np.maximum(length / OUTLIER_MM, 1.0))
        wanted = off + self._kernel @ self._coefficients
        self._coefficients = np.asarray(np.linalg.solve(self._kernel + loose, wanted), dtype=np.float64)
        return np.asarray(self._gaussian(self._cells) @ self._coefficients)


def signed_distance_mm(gland: Volume) -> Volume:
    """Distance to the gland's outline, negative inside, on its own grid as far as :data:`REACH_MM` around it.

    It is 0 half way between the last voxels inside and the first ones outside, and a little rounded, so that the steps
    of thick slices are no surface. Where the image ends within the gland, the gland goes on: the cut is no surface.
    """
    margin = np.array([int(np.ceil(REACH_MM / spacing)) + 2 for spacing in reversed(gland.grid.spacing_mm)])
    inside = np.argwhere(gland.array)
    first, last = inside.min(axis=0), inside.max(axis=0) + 2 * margin + 1
    wider = np.pad(gland.array, [(n, n) for n in margin], mode="edge")
    array = wider[tuple(slice(*ends) for ends in zip(first, last, strict=True))].astype(np.uint8)
    origin = gland.grid.to_world((first - margin)[::-1])
    grid = Grid(array.shape, gland.grid.spacing_mm, tuple(origin), gland.grid.direction)
    outwards, inwards = (
        sitk.SignedMaurerDistanceMap(Volume(x, grid).to_sitk(), squaredDistance=False, useImageSpacing=True)
        for x in (array, 1 - array)
    )
    smooth = sitk.SmoothingRecursiveGaussian((outwards - inwards) / 2, 1.0)
    return Volume(np.clip(sitk.GetArrayFromImage(smooth), -REACH_MM, REACH_MM), grid)


def _so_far(found: FittedDeformation, grid: Grid, initial: sitk.Transform) -> sitk.Transform:
    """Fixed to moving points, LPS mm, within the networks' grid."""
    field = Volume(grid.voxels_to_mm(found.displacement), grid).to_sitk()
    joined = sitk.CompositeTransform(3)
    joined.AddTransform(initial)
    joined.AddTransform(sitk.DisplacementFieldTransform(sitk.Cast(field, sitk.sitkVectorFloat64)))
    return joined


def _coarse(grid: Grid) -> Grid:
    """A grid with the same corner voxels, no finer than a cell."""
    count = np.asarray(grid.size) - 1
    cells = np.maximum(np.minimum(count, np.rint(count * grid.spacing_mm / CELL_MM)), 1).astype(int)
    spacing = count * grid.spacing_mm / cells
    return Grid(tuple(cells[::-1] + 1), tuple(spacing), grid.origin_mm, grid.direction)


def _flow(velocity: Array) -> Array:
    """The displacement after a velocity's flow for one unit of time, both (k, j, i, 3) in voxels along (i, j, k)."""
    import torch

    from .deformation import integrate

    with torch.no_grad():
        flow = integrate(torch.from_numpy(np.moveaxis(velocity, -1, 0)[None].copy()))
    return np.moveaxis(flow[0].numpy(), 0, -1)


def _at(field: NDArray[np.floating], index: Array) -> Array:
    """A field (k, j, i, 3) at continuous indices (n, 3) in the order (i, j, k); outside it goes on."""
    places = index[:, ::-1].T
    return np.stack([map_coordinates(field[..., a], places, order=1, mode="nearest") for a in range(3)], axis=-1)


def _indices(flow: Array) -> Array:
    """Where each voxel goes, (3, k, j, i) in the order (k, j, i)."""
    return np.asarray(np.indices(flow.shape[:3]) + np.moveaxis(flow, -1, 0)[::-1])
