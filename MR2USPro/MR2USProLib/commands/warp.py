"""``warp``: a registration's transform applied to an image, a label map or points."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from ..devices import limit_threads
from ..errors import InputError
from ..outputs import staged
from ..progress import SILENT, Progress
from ..volume import Volume


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
    are marked, to the TRUS volume.

    Raises:
        InputError: nothing to carry, or a file cannot be read.
    """
    from ..registration.points import read_points
    from ..registration.transforms import inverse_points, read_transform
    from ..registration.transforms import warp as warp_volume

    if moving is None and points is None:
        raise InputError("There is nothing to warp: give --moving with --reference, or --points.")
    if moving is not None and reference is None:
        raise InputError("The grid of the result is not known: give --reference, an image on that grid.")
    limit_threads(threads)
    with staged(out) as folder:
        mapping = read_transform(transform)
        steps = progress.named("Warp")
        if moving is not None and reference is not None:
            steps.report(0.0)
            warped = warp_volume(Volume.read(moving), Volume.read(reference).grid, mapping, label=label)
            warped.write(folder / ("warped_label.nrrd" if label else "warped.nrrd"))
        if points is not None:
            steps.report(0.5)
            names, positions = read_points(points)
            write_points(folder / "points.csv", names, inverse_points(positions, mapping))
        steps.report(1.0)


def write_points(path: Path, names: list[str], positions_mm: np.ndarray) -> None:
    """Write names and LPS positions (n, 3) in mm as a CSV file."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["name", "x", "y", "z"])
        for name, position in zip(names, positions_mm, strict=True):
            writer.writerow([name, *(f"{value:.3f}" for value in position)])
