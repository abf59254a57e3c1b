"""The result as transforms: joining, writing, reading, applying and inverting them.

Every transform here takes a point of the fixed image to a point of the moving image, LPS mm, as SimpleITK.Resample
takes it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import spline_filter

from ..errors import InputError
from ..hush import hushed
from ..volume import Grid, Volume

SUFFIXES = (".h5", ".hdf5", ".tfm", ".txt", ".mat")
MARGIN = 3
"""Voxels that the field goes on beyond the fixed image, so that its splines are complete everywhere inside it."""
MOST_KNOTS = 10_000_000
"""Of a spline, 240 MB: the grid of a small region is finer than a deformation needs, and goes on over the whole fixed
image."""


def composite(initial: sitk.Transform, displacement_mm: Volume, fixed: Grid) -> sitk.CompositeTransform:
    """The whole way from a fixed point to a moving point: p -> initial(p + u(p)).

    Outside the region where u is known it goes on with the value at the region's edge, over the whole fixed image:
    a field that ended there would tear the image along the region's border. Between its voxels u is a cubic B-spline,
    because ITK and Slicer evaluate that one alike: a field of voxels is read linearly by ITK, with a cubic by Slicer,
    and so differs by some 0.02 mm, which at a sharp edge is more than 1 % of the contrast.

    Args:
        initial: fixed to moving before deformation.
        displacement_mm: u, (k, j, i, 3) LPS mm, on the grid that was registered.
        fixed: the grid of the whole fixed image.
    """
    joined = sitk.CompositeTransform(3)
    joined.AddTransform(as_affine(initial) if initial.IsLinear() else initial)
    joined.AddTransform(_spline(displacement_mm, fixed))
    joined.FlattenTransform()
    return joined


def as_affine(transform: sitk.Transform) -> sitk.AffineTransform:
    """A linear transform of whatever class as an affine one, which every reader of ITK files knows."""
    shift = np.array(transform.TransformPoint((0.0, 0.0, 0.0)))
    columns = [np.array(transform.TransformPoint(unit)) - shift for unit in np.eye(3).tolist()]
    affine = sitk.AffineTransform(3)
    affine.SetMatrix(np.stack(columns, axis=1).ravel().tolist())
    affine.SetTranslation(shift.tolist())
    return affine


def write_transform(path: str | Path, transform: sitk.Transform) -> None:
    """Write a transform in ITK's format; ``.h5`` holds all of them, fields included."""
    sitk.WriteTransform(transform, str(path))


def read_transform(path: str | Path) -> sitk.Transform:
    """Read a transform of 3-D points; a linear one of whatever class becomes an affine one.

    Raises:
        InputError: no such file, not a 3-D transform that ITK can read, or a linear one that has no inverse.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"The transform file {path} does not exist: check the path.")
    try:
        with hushed():
            transform = sitk.ReadTransform(str(path))
    except RuntimeError as error:
        raise InputError(
            f"{path.name} could not be read as a transform: give one that ITK or Slicer wrote ({', '.join(SUFFIXES)})."
        ) from error
    if transform.GetDimension() != 3:
        raise InputError(f"{path.name} transforms points of {transform.GetDimension()} coordinates: give a 3-D one.")
    if not np.isfinite(transform.TransformPoint((0.0, 0.0, 0.0))).all():
        raise InputError(f"{path.name} holds values that are no numbers: save the transform anew.")
    if not transform.IsLinear():
        return transform
    affine = as_affine(transform)  # some of the other classes have no inverse in ITK
    if np.linalg.matrix_rank(np.reshape(affine.GetMatrix(), (3, 3))) < 3:
        raise InputError(f"{path.name} flattens the image, so that no way leads back: give a transform that does not.")
    return affine


def displacement_on(grid: Grid, transform: sitk.Transform) -> Volume:
    """How far each voxel of a grid moves in all, (k, j, i, 3) float32, LPS mm."""
    image = sitk.TransformToDisplacementField(
        transform, sitk.sitkVectorFloat32, grid.size, grid.origin_mm, grid.spacing_mm, grid.direction.ravel().tolist()
    )
    return Volume(sitk.GetArrayFromImage(image), grid)


def warp(moving: Volume, reference: Grid, transform: sitk.Transform, *, label: bool = False) -> Volume:
    """The moving image where the fixed one is, interpolated once from its own voxels.

    Args:
        moving: an image, a label map, or a stack of label maps (k, j, i, maps).
        reference: the grid of the result.
        transform: fixed to moving.
        label: takes the nearest voxel and puts 0 outside; an image is interpolated linearly, keeps its type (integers
            are rounded) and gets its own minimum outside.
    """
    if label:
        return moving.resampled(reference, transform, "nearest", 0.0)
    dtype = moving.array.dtype
    smooth = Volume(moving.array.astype(np.float64), moving.grid)
    array = smooth.resampled(reference, transform, "linear", float(moving.array.min())).array
    return Volume((np.rint(array) if np.issubdtype(dtype, np.integer) else array).astype(dtype), reference)


def map_points(points_mm: ArrayLike, transform: sitk.Transform) -> NDArray[np.float64]:
    """Moving points (..., 3) of fixed points (..., 3), LPS mm."""
    points = np.asarray(points_mm, dtype=np.float64)
    mapped = [transform.TransformPoint(point) for point in points.reshape(-1, 3).tolist()]
    return np.array(mapped, dtype=np.float64).reshape(points.shape)


def inverse_points(
    points_mm: ArrayLike, transform: sitk.Transform, *, tolerance_mm: float = 1e-3
) -> NDArray[np.float64]:
    """Fixed points (..., 3) of moving points (..., 3), LPS mm: where a target drawn on the MR lies in the TRUS.

    Newton's method with a Jacobian by differences; a step that leads away is halved.

    Raises:
        InputError: a point has no counterpart within the tolerance, as where a field folds or ends.
    """
    points = np.asarray(points_mm, dtype=np.float64)
    found = [_inverse_point(point, transform, tolerance_mm) for point in points.reshape(-1, 3)]
    return np.array(found, dtype=np.float64).reshape(points.shape)


def _inverse_point(target: NDArray[np.float64], transform: sitk.Transform, tolerance_mm: float) -> NDArray[np.float64]:
    point, step_mm = target.copy(), 0.25
    miss = map_points(point, transform) - target
    for _ in range(100):
        if np.linalg.norm(miss) <= tolerance_mm:
            return point
        ends = point + step_mm * np.concatenate([np.eye(3), -np.eye(3)])
        mapped = map_points(ends, transform)
        jacobian = (mapped[:3] - mapped[3:]).T / (2 * step_mm)
        move = -np.linalg.lstsq(jacobian, miss, rcond=None)[0]
        for share in (1.0, 0.5, 0.25, 0.125, 0.0625):
            trial = point + share * move
            missed = map_points(trial, transform) - target
            if np.linalg.norm(missed) < np.linalg.norm(miss):
                break
        point, miss = trial, missed
    raise InputError(
        f"The moving point {np.round(target, 1).tolist()} mm (LPS) has no counterpart in the fixed image: the "
        f"transform comes no nearer to it than {np.linalg.norm(miss):.2f} mm, so leave that point out."
    )


def _spline(displacement_mm: Volume, fixed: Grid) -> sitk.BSplineTransform:
    """The field over the whole fixed image as a B-spline that passes through the values at the field's voxels."""
    region = displacement_mm.grid
    corners = region.to_index(fixed.corners())
    last = np.asarray(region.size) - 1
    before = np.maximum(np.ceil(-corners.min(axis=0)), 0).astype(int) + MARGIN
    after = np.maximum(np.ceil(corners.max(axis=0)) - last, 0).astype(int) + MARGIN
    count = np.prod(np.asarray(region.size) + before + after, dtype=float)
    fewer = np.floor(np.asarray(region.shape) * min(np.cbrt(MOST_KNOTS / count), 1.0)).astype(int)
    fewer = np.minimum(np.maximum(fewer, 2), region.shape)
    if tuple(fewer) != region.shape:
        return _spline(displacement_mm.resampled(region.resampled(shape=fewer.tolist())), fixed)
    pads = [*zip(before[::-1], after[::-1], strict=True), (0, 0)]
    field = np.pad(displacement_mm.array.astype(np.float64), pads, mode="edge")
    shape = field.shape
    grid = Grid((shape[0], shape[1], shape[2]), region.spacing_mm, tuple(region.to_world(-before)), region.direction)
    knots = [Volume(spline_filter(field[..., axis], order=3, mode="mirror"), grid).to_sitk() for axis in range(3)]
    return sitk.BSplineTransform(knots, 3)
