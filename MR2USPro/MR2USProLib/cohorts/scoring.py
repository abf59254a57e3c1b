"""What is measured of a transform on a case of a cohort: agreement with labels and truth, and plausibility."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..progress import SILENT, Progress
from ..volume import Volume
from .start import Started

if TYPE_CHECKING:
    import SimpleITK as sitk

    from ..registration.quality import Glands


def figures(case: Started, transform: sitk.Transform, progress: Progress = SILENT) -> dict[str, float | None]:
    """The figures of one transform by name.

    ``dsc``, ``iou``, ``asd_mm``, ``hd95_mm`` and ``tre_mm`` need labels; ``displacement_error_mm``, the mean over the
    gland, needs the truth too, and where the truth is known the landmarks' error is the distance from it and not from
    what was drawn. ``folding`` is a share of voxels and ``he`` the harmonic energy (equation 20) with all lengths in
    voxels of the TRUS volume: its sum as the paper prints it, and per voxel. ``diverged`` is 1 where the transform
    holds no numbers, as that of a network that diverged, and 0 elsewhere.

    Args:
        case: at its start.
        transform: TRUS to MR points, LPS mm, the start included.
        progress: told after each of the figures that take a second or two.

    Raises:
        Cancelled: the user asked to stop.
    """
    from ..evaluation.labels import score
    from ..evaluation.metrics import displacement_statistics, folding, harmonic_energy
    from ..registration.transforms import displacement_on, map_points

    found: dict[str, float | None] = {}
    grid = case.us.grid
    displacement = displacement_on(grid, transform)
    progress.report(0.2)
    residual = Volume(displacement.array - displacement_on(grid, case.pair.initial).array, grid)
    if case.mr_labels is not None and case.us_labels is not None:
        scores = score(case.mr_labels, case.us_labels, transform)
        found |= {name: scores[name] for name in ("dsc", "iou", "asd_mm", "hd95_mm", "tre_mm")}
        progress.report(0.5)
        if case.truth is not None:
            found["displacement_error_mm"] = _error_inside(case.us_labels.gland, transform, case.truth)
            points = case.us_labels.landmarks_mm
            points = points[np.isfinite(points).all(axis=1)]
            if len(points):
                errors = np.linalg.norm(map_points(points, transform) - map_points(points, case.truth), axis=1)
                found["tre_mm"] = float(errors.mean())
    progress.report(0.6)
    energy = harmonic_energy(residual)
    return {
        **found,
        "folding": folding(displacement).fraction,
        "he": energy.voxel_sum,
        "he_per_voxel": energy.voxel_mean,
        "displacement_mean_mm": displacement_statistics(residual)["mean_mm"],
        "diverged": float(not np.isfinite(displacement.array).all()),
    }


def overlaps(case: Started, transform: sitk.Transform, glands: Glands | None) -> dict[str, float]:
    """How a transform lays the glands on each other as a finder sees them, which knows no label.

    ``overlap_seen`` is their Dice coefficient, and ``overlap_seen_at_start`` what it was there; nothing where they were
    not recognised.

    Args:
        case: at its start.
        transform: TRUS to MR points, LPS mm, the start included.
        glands: as they are seen; None where they are not.
    """
    if glands is None:
        return {}
    return {
        "overlap_seen": glands.overlap(transform),
        "overlap_seen_at_start": glands.overlap(case.pair.initial),
    }


def _error_inside(gland: Volume, transform: sitk.Transform, truth: sitk.Transform) -> float:
    """Mean distance in mm between where two transforms bring the gland's voxels."""
    from ..registration.boxes import Box
    from ..registration.transforms import displacement_on

    box = Box.around(gland)
    grid = gland.grid.cropped_to(box.low_mm, box.high_mm)
    inside = gland.resampled(grid, interpolation="nearest").array > 0
    off = displacement_on(grid, transform).array - displacement_on(grid, truth).array
    return float(np.linalg.norm(off[inside], axis=-1).mean())
