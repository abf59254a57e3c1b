"""The figures that say how well two prostates agree, and how plausible the deformation between them is.

Masks and displacements come as :class:`~MR2USProLib.volume.Volume`, so that no figure in millimetres can be worked out
with the wrong spacing or axis order. What cannot be measured (an empty mask, a landmark that is missing) is NaN.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..volume import Volume

if TYPE_CHECKING:
    import torch

AT_ONCE = 500_000
"""Voxels of a displacement that are differentiated in one go: a large volume would take ten times its own memory."""

PointMap = Callable[[NDArray[np.float64]], ArrayLike]
"""Takes LPS points (n, 3) in mm to LPS points (n, 3) in mm."""


def dice(first: Volume, second: Volume) -> float:
    """Dice similarity coefficient 2|A.B| / (|A| + |B|) of two masks on one grid; NaN where both are empty.

    Raises:
        ValueError: the masks lie on different grids.
    """
    from monai.metrics import compute_dice

    one, other = _masks(first, second)
    if not one.any() and not other.any():
        return float("nan")
    return float(compute_dice(_batch(one), _batch(other), ignore_empty=False))


def iou(first: Volume, second: Volume) -> float:
    """Intersection over union |A.B| / |A+B| = D / (2 - D) of two masks on one grid; NaN where both are empty.

    Raises:
        ValueError: the masks lie on different grids.
    """
    overlap = dice(first, second)
    return overlap / (2.0 - overlap)


def average_surface_distance_mm(first: Volume, second: Volume) -> float:
    """Symmetric average surface distance (ASD) of two masks on one grid in mm; NaN where one is empty.

    The surface is the voxels of a mask that have a neighbour outside it, and all surface voxels of both masks count
    the same.

    Raises:
        ValueError: the masks lie on different grids.
    """
    from monai.metrics import compute_average_surface_distance

    return _between_surfaces(compute_average_surface_distance, first, second, symmetric=True)


def hausdorff95_mm(first: Volume, second: Volume) -> float:
    """95th percentile Hausdorff distance of two masks on one grid in mm, the larger of both directions.

    NaN where one mask is empty.

    Raises:
        ValueError: the masks lie on different grids.
    """
    from monai.metrics import compute_hausdorff_distance

    return _between_surfaces(compute_hausdorff_distance, first, second, percentile=95)


def target_registration_error_mm(
    fixed_points_mm: ArrayLike, moving_points_mm: ArrayLike, map_points: PointMap
) -> NDArray[np.float64]:
    """Target registration error (TRE) of every landmark pair in mm: |T(p_fixed) - p_moving|.

    Args:
        fixed_points_mm: LPS positions (n, 3) in the fixed image (TRUS).
        moving_points_mm: LPS positions (n, 3) of the same structures in the moving image (MR).
        map_points: the registration, from fixed to moving points, as everything in this project maps.

    Returns:
        (n,) distances, NaN where a landmark is missing (NaN) on either side.

    Raises:
        ValueError: the two lists differ in length.
    """
    fixed = np.asarray(fixed_points_mm, dtype=np.float64).reshape(-1, 3)
    moving = np.asarray(moving_points_mm, dtype=np.float64).reshape(-1, 3)
    if len(fixed) != len(moving):
        raise ValueError(f"{len(fixed)} fixed landmarks do not pair with {len(moving)} moving ones.")
    error = np.full(len(fixed), np.nan)
    known = np.isfinite(fixed).all(axis=1) & np.isfinite(moving).all(axis=1)
    if known.any():
        mapped = np.asarray(map_points(fixed[known]), dtype=np.float64)
        error[known] = np.linalg.norm(mapped - moving[known], axis=1)
    return error


@dataclass(frozen=True)
class HarmonicEnergy:
    """Equation 20 of MR2US-Pro: the squared Laplacian of the displacement, over interior voxels and components.

    Attributes:
        voxel_sum: the sum with displacement and step in voxels, as the paper prints it. Twice the resolution doubles
            it, so it compares within one grid only.
        voxel_mean: that sum per interior voxel.
        mm: the integral of |Laplacian|^2 over the volume with all lengths in mm; independent of the resolution.
    """

    voxel_sum: float
    voxel_mean: float
    mm: float

    def as_dict(self) -> dict[str, float]:
        """The three figures by name, for JSON."""
        return asdict(self)


def harmonic_energy(displacement: Volume) -> HarmonicEnergy:
    """Harmonic energy (HE, equation 20) of a displacement (k, j, i, 3) in LPS mm, with the 7-point stencil.

    Any affine part, such as an initial alignment, adds nothing.

    Raises:
        ValueError: not a displacement, or fewer than three voxels along an axis.
    """
    _check_displacement(displacement, least=3)
    grid = displacement.grid
    voxel_sum = mm_sum = 0.0
    for some in _slabs(grid.shape, overlap=2):
        in_mm = np.asarray(displacement.array[some], dtype=np.float64)
        voxel_sum += float(np.square(_laplacian(grid.mm_to_voxels(in_mm), (1.0, 1.0, 1.0))).sum())
        mm_sum += float(np.square(_laplacian(in_mm, grid.spacing_mm[::-1])).sum())
    return HarmonicEnergy(
        voxel_sum=voxel_sum,
        voxel_mean=voxel_sum / float(np.prod([n - 2 for n in grid.shape])),
        mm=mm_sum * float(np.prod(grid.spacing_mm)),
    )


@dataclass(frozen=True)
class Folding:
    """Where x + u(x) turns space inside out, from the Jacobian determinant det(I + grad u).

    Attributes:
        fraction: share of voxels at which a determinant is zero or negative.
        least_determinant: the smallest determinant of all; 1 is no change of volume.
        sd_log_determinant: standard deviation of the logarithm of the positive determinants; NaN without any.
    """

    fraction: float
    least_determinant: float
    sd_log_determinant: float

    def as_dict(self) -> dict[str, float | None]:
        """The three figures by name, for JSON, which has no NaN."""
        return {name: None if np.isnan(value) else value for name, value in asdict(self).items()}


def folding(displacement: Volume) -> Folding:
    """Folding of a displacement (k, j, i, 3) in LPS mm.

    Each voxel has up to eight determinants, one for every choice of the forward or the backward difference along the
    three axes, and folds when any of them is not positive: central differences would skip the voxel itself and so
    miss folds that are one voxel wide.

    Raises:
        ValueError: not a displacement, or fewer than two voxels along an axis.
    """
    _check_displacement(displacement, least=2)
    grid = displacement.grid
    # det(I + du/dx) = det(A + du/dindex) / det(A), where the columns of A are the steps of i, j and k in mm
    step = grid.index_to_mm
    volume = float(np.linalg.det(step))
    folded = np.zeros(grid.shape, dtype=bool)
    least, count, total, squares = np.inf, 0, 0.0, 0.0
    for some in _slabs(grid.shape, overlap=1):
        field = np.ascontiguousarray(np.moveaxis(displacement.array[some], -1, 0), dtype=np.float64)
        moved = [np.diff(field, axis=3 - axis) + step[:, axis, None, None, None] for axis in range(3)]
        for sides in itertools.product((slice(None, -1), slice(1, None)), repeat=3):
            columns = []
            for axis in range(3):
                own = tuple(slice(None) if other == 2 - axis else sides[other] for other in range(3))
                columns.append(moved[axis][(slice(None), *own)])
            determinant = _triple_product(*columns) / volume
            folded[some][sides] |= ~(determinant > 0)  # a field of no numbers is none that does not fold
            least = float(np.minimum(least, determinant.min()))
            logs = np.log(determinant[determinant > 0])
            count, total, squares = count + logs.size, total + float(logs.sum()), squares + float(np.square(logs).sum())
    variance = squares / count - (total / count) ** 2 if count else float("nan")
    return Folding(float(folded.mean()), least, float(np.sqrt(max(variance, 0.0))) if count else float("nan"))


def _slabs(shape: tuple[int, int, int], overlap: int) -> Iterator[slice]:
    """Slices k, some at a time; each slab begins so many slices before the end of the one before it."""
    thick = max(AT_ONCE // (shape[1] * shape[2]), 1)
    for first in range(0, shape[0] - overlap, thick):
        yield slice(first, first + thick + overlap)


def _triple_product(
    one: NDArray[np.float64], two: NDArray[np.float64], three: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The volume that three arrays (3, ...) of vectors span; numpy's cross product takes several times as long."""
    (a, b, c), (d, e, f), (g, h, i) = one, two, three
    return a * (e * i - f * h) + b * (f * g - d * i) + c * (d * h - e * g)


def displacement_statistics(displacement: Volume, mask: Volume | None = None) -> dict[str, float]:
    """``mean_mm``, ``p95_mm`` and ``max_mm`` of the lengths of a displacement (k, j, i, 3) in LPS mm.

    Args:
        displacement: on any grid.
        mask: where to look (not zero), on the same grid; everywhere where it is not given.

    Raises:
        ValueError: not a displacement, or the mask is empty or lies on another grid.
    """
    _check_displacement(displacement, least=1)
    length = np.linalg.norm(np.asarray(displacement.array, dtype=np.float64), axis=-1)
    if mask is not None:
        if mask.grid != displacement.grid:
            raise ValueError("The mask and the displacement lie on different grids.")
        if not mask.array.any():
            raise ValueError("There is no displacement in an empty mask.")
        length = length[mask.array != 0]
    return {
        "mean_mm": float(length.mean()),
        "p95_mm": float(np.percentile(length, 95)),
        "max_mm": float(length.max()),
    }


def _masks(first: Volume, second: Volume) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    if first.grid != second.grid:
        raise ValueError("The masks lie on different grids: resample one onto the other's.")
    return np.asarray(first.array != 0), np.asarray(second.array != 0)


def _batch(mask: NDArray[np.bool_]) -> torch.Tensor:
    """The mask as MONAI wants it: a tensor of one batch and one channel."""
    import torch

    return torch.from_numpy(mask.astype(np.float32))[None, None]


def _between_surfaces(metric: Callable[..., torch.Tensor], first: Volume, second: Volume, **options: object) -> float:
    """One of MONAI's surface metrics in mm; NaN where a mask is empty, for it has no surface."""
    one, other = _masks(first, second)
    if not one.any() or not other.any():
        return float("nan")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # MONAI 1.6 passes itself an argument that it has deprecated
        spacing_kji = first.grid.spacing_mm[::-1]
        return float(metric(_batch(one), _batch(other), include_background=True, spacing=spacing_kji, **options))


def _check_displacement(displacement: Volume, least: int) -> None:
    if displacement.array.ndim != 4 or displacement.array.shape[3] != 3:
        raise ValueError(f"A displacement has the shape (k, j, i, 3), not {displacement.array.shape}.")
    if min(displacement.grid.shape) < least:
        raise ValueError(f"At least {least} voxels are needed along each axis, not {displacement.grid.shape}.")


def _laplacian(field: NDArray[np.float64], step_kji: tuple[float, float, float]) -> NDArray[np.float64]:
    """7-point Laplacian of each component at the interior voxels of a field (k, j, i, components)."""
    inner = slice(1, -1)
    result = np.zeros_like(field[inner, inner, inner])
    for axis, step in enumerate(step_kji):
        ahead = tuple(slice(2, None) if a == axis else inner for a in range(3))
        behind = tuple(slice(None, -2) if a == axis else inner for a in range(3))
        result += (field[ahead] - 2 * field[inner, inner, inner] + field[behind]) / step**2
    return result
