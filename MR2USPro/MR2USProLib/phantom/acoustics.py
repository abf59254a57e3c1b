"""What ultrasound meets on its way: echo strength, reflecting surfaces and attenuation on a grid in the TRUS world."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from ..progress import SILENT, Progress
from ..volume import Grid, Volume
from .anatomy import Anatomy, Sample
from .deformation import Pose
from .mr import labels
from .probe import PROBE
from .shapes import Field
from .tissues import ATTENUATION_DB_PER_MM, ECHO_DB, ECHO_TEXTURE_DB, Tissue

SAGITTAL_REACH_MM = 5.0
SLAB = 8
"""Slices worked on at a time: bounds the memory, and the time until a cancel is heard."""


@dataclass(frozen=True)
class Acoustics:
    """Arrays (k, j, i) on ``grid``.

    Attributes:
        echo: amplitude of diffuse scattering, 1 in the peripheral zone.
        mirror: amplitude of reflection by surfaces that face the beam.
        attenuation: dB/mm beyond what the time gain compensation makes good.
        grid: in the TRUS world; k runs to the feet and j away from the probe.
    """

    echo: Field
    mirror: Field
    attenuation: Field
    grid: Grid


def from_anatomy(
    anatomy: Anatomy, pose: Pose, grid: Grid, transverse_end_mm: float, progress: Progress = SILENT
) -> tuple[Acoustics, NDArray[np.uint8], NDArray[np.uint8]]:
    """The acoustics of the deformed anatomy, and its labels and zones on the same grid.

    Args:
        anatomy: the patient.
        pose: where he lies before the probe.
        grid: where to ask, in the TRUS world.
        transverse_end_mm: the lowest z that the transverse plane reaches. Below it only the sagittal plane looks, and
            only what lies about x = 0 is worked out.
        progress: told about every few slices.
    """
    echo, mirror, attenuation = (np.zeros(grid.shape, np.float32) for _ in range(3))
    label, zone = np.zeros(grid.shape, np.uint8), np.zeros(grid.shape, np.uint8)
    count = grid.shape[0]
    middle = slice(*np.round(grid.to_index([[-SAGITTAL_REACH_MM, 0, 0], [SAGITTAL_REACH_MM, 0, 0]])[:, 0]).astype(int))
    for step in progress.steps(-(-count // SLAB), "tissue before the probe"):
        put = slice(step * SLAB, min((step + 1) * SLAB, count))
        columns = slice(0, grid.shape[2]) if grid.to_world((0, 0, put.start))[2] >= transverse_end_mm else middle
        # one slice more on either side, for the gradients of the distances
        first, last = max(put.start - 1, 0), min(put.stop + 1, count)
        keep = slice(put.start - first, put.stop - first)
        slab = Grid(
            (last - first, grid.shape[1], columns.stop - columns.start),
            grid.spacing_mm,
            tuple(grid.to_world((columns.start, 0, first))),
            grid.direction,
        )
        points = slab.points()
        sample = anatomy.sample(pose.to_anatomy(points))
        here, within = labels(sample)
        echo[put, :, columns] = _echo(sample).reshape(slab.shape)[keep]
        mirror[put, :, columns] = _mirror(sample, slab, points)[keep]
        attenuation[put, :, columns] = ATTENUATION_DB_PER_MM[sample.tissue].reshape(slab.shape)[keep]
        label[put, :, columns] = here.reshape(slab.shape)[keep]
        zone[put, :, columns] = within.reshape(slab.shape)[keep]
    return Acoustics(echo, mirror, attenuation, grid), label, zone


def from_t2(mr: Volume, transform: sitk.Transform, grid: Grid, progress: Progress = SILENT) -> Acoustics:
    """Acoustics guessed from a T2 image: dark tissue scatters little, and edges that face the beam reflect.

    Args:
        mr: the image.
        transform: TRUS LPS -> MR LPS.
        grid: where to guess, in the TRUS world.
        progress: told at the beginning and the end.
    """
    progress.report(0.0, "tissue before the probe")
    # Past its end the image goes on as it was at its edge: a sweep shows more than most MR volumes hold.
    image = sitk.Resample(sitk.Cast(mr.to_sitk(), sitk.sitkFloat32), grid.to_sitk(), transform, sitk.sitkLinear, 0.0,
                          sitk.sitkFloat32, True)  # fmt: skip
    t2 = sitk.GetArrayFromImage(image)
    low, high = np.percentile(t2, (2, 98))
    t2 = np.clip((t2 - low) / max(high - low, 1e-6), 0, 1.15).astype(np.float32)
    db = np.interp(t2, (0, 0.12, 0.3, 0.55, 0.8, 1.0, 1.15), (-24, -11, -6, -1, 2, 1, -12))
    smooth = gaussian_filter(t2, 1.0)
    slope = np.stack(np.gradient(smooth, *grid.spacing_mm[::-1]), -1)
    steep = np.linalg.norm(slope, axis=-1) + 1e-6
    points = grid.points()
    beam = _beam(points)
    towards = slope[..., 1] * -beam[..., 1] + slope[..., 2] * beam[..., 0]  # j runs against y
    facing = (towards / steep) ** 4
    mirror = 5.0 * np.clip(steep - 0.06, 0, 0.2) * facing
    gap = _probe_distance(points) < 1.0
    db = np.where(gap, -24, db)
    progress.report(1.0)
    return Acoustics(
        (10 ** (db / 20)).astype(np.float32),
        np.where(gap, 0, mirror).astype(np.float32),
        np.full(grid.shape, 0.04, np.float32),
        grid,
    )


def _echo(sample: Sample) -> Field:
    tissue = sample.tissue
    db = ECHO_DB[tissue] + ECHO_TEXTURE_DB[tissue] * sample.texture
    db += np.where(tissue == Tissue.TRANSITION_ZONE, 4.0 * sample.nodules, 0)
    # mucosa, muscle of the mucosa, submucosa, muscle: bright and dark in turn
    db += np.where(tissue == Tissue.RECTAL_WALL, 6.0 * np.cos(2 * np.pi * sample.rectum / 1.7), 0)
    db += 5.0 * np.exp(-((sample.gland / 0.6) ** 2))
    return (10 ** (db / 20)).astype(np.float32)


def _mirror(sample: Sample, grid: Grid, points: NDArray[np.float64]) -> Field:
    beam = _beam(points).astype(np.float32)
    total = np.zeros(grid.shape, np.float32)
    for distance, strength in (
        (sample.gland, 0.9),
        (sample.bladder, 1.6),
        (sample.rectum, 0.8),
        (sample.transition, 0.25),
        (sample.bone, 4.0),
    ):
        d = distance.reshape(grid.shape)
        if np.abs(d).min() > 2:
            continue
        _, down, across = np.gradient(d, *grid.spacing_mm[::-1])
        facing = np.abs(across * beam[..., 0] - down * beam[..., 1])  # j runs against y
        total += strength * np.exp(-((d / 0.35) ** 2)) * np.clip(facing, 0, 1) ** 4
    return total


def _beam(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Unit vectors (x, y) along the beam that passes each TRUS point."""
    across, up = points[..., 0], points[..., 1] - PROBE.axis_y_mm
    length = np.hypot(across, up) + 1e-6
    return np.stack([across / length, up / length], -1)


def _probe_distance(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distance of TRUS points from the probe's face."""
    return np.hypot(points[..., 0], points[..., 1] - PROBE.axis_y_mm) - PROBE.radius_mm
