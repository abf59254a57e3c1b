"""A T2-weighted MR of the anatomy: oblique axial slices of 3 mm, with averaging through the slice, bias and noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation

from ..progress import SILENT, Progress
from ..volume import Grid, Volume
from .anatomy import Anatomy, Sample
from .shapes import Field
from .tissues import LABELS, T2_SIGNAL, T2_TEXTURE, ZONE_OF, Tissue

IN_PLANE_MM, SLICE_MM = 0.6, 3.0
FOV_PX, SLICES = 176, 26
# Positions in a slice, as fractions of its thickness, and their weights: a slice profile with soft flanks.
PROFILE = ((-0.36, 0.3), (0.0, 0.4), (0.36, 0.3))


def signal(sample: Sample) -> Field:
    """T2 signal of the anatomy, in arbitrary units."""
    tissue = sample.tissue
    value = T2_SIGNAL[tissue] + T2_TEXTURE[tissue] * sample.texture
    transition = tissue == Tissue.TRANSITION_ZONE
    value += np.where(transition, 190 * sample.nodules, 0)
    in_gland = transition | (tissue == Tissue.PERIPHERAL_ZONE)
    value *= np.where(in_gland, 1 - 0.55 * np.exp(-((sample.transition / 0.7) ** 2)), 1)
    value *= 1 - 0.6 * np.exp(-((sample.gland / 0.55) ** 2))
    return np.maximum(value, 10).astype(np.float32)


def labels(sample: Sample) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Label (``LABELS``) and zone (``ZONES``) of each point."""
    label = (sample.gland < 0).astype(np.uint8)
    label[sample.tissue == Tissue.VERUMONTANUM] = 2
    # Lesions reach the capsule; their label stops short of it, so that the prostate encloses it in thick slices too.
    marked = (sample.tissue == Tissue.LESION) & (sample.gland < -1.6)
    label[marked] = 2 + sample.lesion[marked]
    zone = ZONE_OF[sample.tissue]
    return label, np.where((sample.gland >= 0) & (zone <= 6), np.uint8(0), zone)


def oblique_grid(rng: np.random.Generator, centre_mm: NDArray[np.float64]) -> Grid:
    """An axial grid about ``centre_mm``, tipped about the left-right axis and a little about the others."""
    angles = rng.uniform(5, 20), rng.uniform(-3, 3), rng.uniform(-3, 3)
    direction = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
    spacing = np.array([IN_PLANE_MM, IN_PLANE_MM, SLICE_MM])
    origin = centre_mm - direction @ (spacing * (np.array([FOV_PX, FOV_PX, SLICES]) - 1) / 2)
    return Grid((SLICES, FOV_PX, FOV_PX), tuple(spacing), tuple(origin), direction)


def acquire(
    anatomy: Anatomy,
    grid: Grid,
    scanner_mm: NDArray[np.float64],
    noise: float,
    rng: np.random.Generator,
    progress: Progress = SILENT,
) -> tuple[Volume, Volume, Volume]:
    """Image the anatomy.

    Args:
        anatomy: the patient.
        grid: where the slices lie, MR LPS.
        scanner_mm: MR position of the anatomy's origin.
        noise: standard deviation of the noise in either channel, as a part of the signal of fat.
        rng: for bias field and noise.
        progress: told about every slice.

    Returns:
        The T2 image (int16), the labels (a voxel belongs to what fills most of it) and the zones (of its centre).
    """
    image = np.zeros(grid.shape, np.float32)
    label, zone = np.zeros(grid.shape, np.uint8), np.zeros(grid.shape, np.uint8)
    rows, columns = np.mgrid[: grid.shape[1], : grid.shape[2]]
    for k in progress.steps(grid.shape[0], "MR slices"):
        votes = np.zeros((len(LABELS) + 1, rows.size), np.float32)
        for offset, weight in PROFILE:
            index = np.stack([columns, rows, np.full(rows.shape, k + offset)], -1)
            sample = anatomy.sample(grid.to_world(index) - scanner_mm)
            image[k] += weight * signal(sample).reshape(rows.shape)
            here, within = labels(sample)
            np.add.at(votes, (here, np.arange(rows.size)), np.float32(weight))
            if offset == 0.0:
                zone[k] = within.reshape(rows.shape)
        label[k] = votes.argmax(0).reshape(rows.shape)
    for axis in (1, 2):  # the point spread of k-space, a little wider than the voxel
        image = gaussian_filter1d(image, 0.55, axis=axis)
    image *= _bias(grid, rng)
    sigma = noise * float(T2_SIGNAL[Tissue.FAT])
    real = image + sigma * rng.standard_normal(grid.shape, dtype=np.float32)
    magnitude = np.hypot(real, sigma * rng.standard_normal(grid.shape, dtype=np.float32))
    return Volume(np.round(magnitude).astype(np.int16), grid), Volume(label, grid), Volume(zone, grid)


def _bias(grid: Grid, rng: np.random.Generator) -> Field:
    """A receive field: a smooth slope and bowl, a few tens of per cent over the image."""
    k, j, i = (np.linspace(-1, 1, n, dtype=np.float32) for n in grid.shape)
    slope = rng.uniform(-0.15, 0.15, 3)
    bowl = rng.uniform(0.05, 0.25, 3)
    log = (slope[0] * k + bowl[0] * 0.3 * k**2)[:, None, None] + (slope[1] * j + bowl[1] * j**2)[None, :, None]
    return np.exp(log + (slope[2] * i + bowl[2] * i**2)[None, None, :]).astype(np.float32)
