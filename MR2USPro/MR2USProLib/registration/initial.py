"""Where the registration starts: a rigid transform that brings the two volumes roughly together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from ..csv_rows import number, read_rows
from ..errors import InputError
from ..volume import Grid, Volume
from .transforms import SUFFIXES, read_transform

COLUMNS = ("moving_x", "moving_y", "moving_z", "fixed_x", "fixed_y", "fixed_z")


def initial_transform(kind: str, moving: Volume, fixed: Volume, fixed_region: Grid | None = None) -> sitk.Transform:
    """The transform that takes fixed points to moving points before anything is deformed, LPS mm.

    Args:
        kind: ``none`` (the pose in the headers), ``centers`` (centre on centre), ``moments`` (centre of brightness on
            centre of brightness), ``landmarks:F.csv`` (pairs of points; three or more give a rotation too) or the path
            of a transform file.
        moving: the volume that is to be moved.
        fixed: the volume that stays.
        fixed_region: the part of the fixed volume that is registered; whole where it is not given.

    Raises:
        InputError: no such kind or file, or contents that give no transform.
    """
    region = fixed_region or fixed.grid
    start, path = named_file(kind)
    if path is not None:
        return from_landmarks(*read_landmarks(path)) if start == "landmarks" else read_transform(path)
    if start == "none":
        return sitk.Transform(3, sitk.sitkIdentity)
    if start == "centers":
        return _translation(moving.grid.centre_mm - region.centre_mm)
    part = fixed if fixed_region is None else fixed.resampled(region)
    return _translation(_brightness_centre(moving, "moving") - _brightness_centre(part, "fixed"))


def named_file(kind: str) -> tuple[str, Path | None]:
    """What kind of start ``kind`` asks for, without any file's name, and the file that it names, if any.

    Raises:
        InputError: there is no such start.
    """
    if kind in ("none", "centers", "moments"):
        return kind, None
    if kind.startswith("landmarks:"):
        return "landmarks", Path(kind.removeprefix("landmarks:"))
    if Path(kind).suffix.lower() in SUFFIXES:
        return "transform", Path(kind)
    raise InputError(
        f"'{kind}' is no initial alignment: give none, centers, moments, landmarks:FILE.csv or a transform file "
        f"({', '.join(SUFFIXES)})."
    )


def read_landmarks(path: str | Path) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Moving and fixed points, both (points, 3) LPS mm, of a CSV file with a header.

    Raises:
        InputError: no such file, columns missing, or values that are no numbers.
    """
    path = Path(path)
    rows = read_rows(path, COLUMNS, "landmark file").cells
    try:
        # a cell that is empty or not there makes its pair incomplete
        points = np.array([[number(row[name] or "nan") for name in COLUMNS] for row in rows]).reshape(-1, 6)
    except (TypeError, ValueError) as error:
        raise InputError(f"{path.name} holds a value that is no number: every row needs six, in LPS mm.") from error
    if not len(points) or not np.isfinite(points).all():
        raise InputError(f"{path.name} holds no complete pair of points: every row needs six numbers, in LPS mm.")
    return points[:, :3], points[:, 3:]


def from_landmarks(moving_mm: NDArray[np.float64], fixed_mm: NDArray[np.float64]) -> sitk.Transform:
    """The rigid transform that takes the fixed points nearest to the moving ones, by least squares.

    One or two pairs, or points on one line, leave the rotation open: they give a translation only.

    Args:
        moving_mm: (points, 3) LPS mm, at least one.
        fixed_mm: (points, 3) LPS mm, their counterparts.
    """
    moving_centre, fixed_centre = moving_mm.mean(axis=0), fixed_mm.mean(axis=0)
    left, spread, right = np.linalg.svd((fixed_mm - fixed_centre).T @ (moving_mm - moving_centre))
    if len(moving_mm) < 3 or spread[1] <= 1e-6 * spread[0]:
        return _translation(moving_centre - fixed_centre)
    proper = np.diag([1.0, 1.0, np.sign(np.linalg.det(right.T @ left.T))])
    rotation = right.T @ proper @ left.T
    transform = sitk.AffineTransform(3)
    transform.SetMatrix(rotation.ravel().tolist())
    transform.SetTranslation((moving_centre - rotation @ fixed_centre).tolist())
    return transform


def _translation(offset_mm: NDArray[np.float64]) -> sitk.Transform:
    return sitk.TranslationTransform(3, np.asarray(offset_mm, dtype=np.float64).tolist())


def _brightness_centre(volume: Volume, name: str) -> NDArray[np.float64]:
    """Mean position in LPS mm, weighted with the brightness above the darkest voxel."""
    weight = np.asarray(volume.array, dtype=np.float64)
    weight = weight - weight.min()
    if weight.sum() <= 0:
        raise InputError(f"The {name} image has one value everywhere, so it has no moments: start from centers.")
    index = [
        float((weight.sum(axis=tuple(a for a in range(3) if a != axis)) * np.arange(n)).sum() / weight.sum())
        for axis, n in enumerate(weight.shape)
    ]
    return volume.grid.to_world(index[::-1])
