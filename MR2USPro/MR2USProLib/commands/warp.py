"""``warp``: a registration's transform applied to an image, a label map or points."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..devices import limit_threads
from ..errors import InputError
from ..outputs import spare, staged
from ..progress import SILENT, Progress
from ..volume import Volume

POINTS = "points.csv"


def run(
    *,
    out: Path,
    transform: Path,
    moving: Path | None = None,
    reference: Path | None = None,
    label: bool = False,
    points: Path | None = None,
    threads: int | None = None,
    progress: Progress = SILENT,
) -> None:
    """Write warped.nrrd (warped_label.nrrd for labels) and points.csv to ``out``.

    Images are resampled onto the grid of ``reference``. Points are carried the other way: from the MR, where targets
    are marked, to the TRUS volume. Beside ``transform.h5`` of a registration that knows its uncertainty, each point
    has that of its place, ``uncertainty_mm``; it is empty outside what was registered.

    Raises:
        InputError: nothing to carry, a file cannot be read, or it would be replaced by what is written.
    """
    from ..registration.points import read_points
    from ..registration.transforms import inverse_points, read_transform
    from ..registration.transforms import warp as warp_volume

    if moving is None and points is None:
        raise InputError("There is nothing to warp: give --moving with --reference, or --points.")
    if moving is not None and reference is None:
        raise InputError("The grid of the result is not known: give --reference, an image on that grid.")
    image = "warped_label.nrrd" if label else "warped.nrrd"
    spare(out, (image, POINTS), (transform, moving, reference, points))
    limit_threads(threads)
    with staged(out) as folder:
        mapping = read_transform(transform)
        steps = progress.named("Warp")
        if moving is not None and reference is not None:
            steps.report(0.0)
            warped = warp_volume(Volume.read(moving), Volume.read(reference).grid, mapping, label=label)
            warped.write(folder / image)
        if points is not None:
            steps.report(0.5)
            names, positions = read_points(points)
            carried = inverse_points(positions, mapping)
            write_points(folder / POINTS, names, carried, _uncertainty_mm(transform, carried))
        steps.report(1.0)


def write_points(
    path: Path, names: list[str], positions_mm: NDArray[np.float64], uncertainty_mm: NDArray[np.float64] | None = None
) -> None:
    """Write names, LPS positions (n, 3) in mm and, where it is known, their uncertainty (n,) in mm as a CSV file."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["name", "x", "y", "z", *([] if uncertainty_mm is None else ["uncertainty_mm"])])
        for n, (name, position) in enumerate(zip(names, positions_mm, strict=True)):
            values = position if uncertainty_mm is None else [*position, uncertainty_mm[n]]
            writer.writerow([name, *("" if np.isnan(value) else f"{value:.3f}" for value in values)])


def _uncertainty_mm(transform: Path, points_mm: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """The registration's uncertainty at points (n, 3) of the TRUS, LPS mm; NaN outside what was registered.

    It is that of the deformation, so it says nothing of other transforms in the same folder, as the start is.
    """
    beside = transform.with_name("uncertainty.nrrd")
    if transform.name != "transform.h5" or not beside.is_file():
        return None
    return Volume.read(beside).at(points_mm)
