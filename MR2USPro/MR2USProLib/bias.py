"""The receive field of an MR: brightness that changes smoothly across the image and is no tissue."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from .volume import Volume

ITERATIONS = [20, 20]
"""On a coarse and on a finer lattice. A third, still finer one takes contrast of tissue for the field."""

FEWEST = 4
"""Voxels along an axis that N4 needs for each of its control points."""


def without_bias(mr: Volume, valid: NDArray[np.bool_]) -> Volume:
    """The image divided by its bias field, found by N4 (Tustison et al., 2010) on half of the resolution.

    Args:
        mr: any intensities; the result keeps their mean.
        valid: (k, j, i), where the image is real. An image that is constant there, or too small, is left as it is.
    """
    inside = mr.array[valid]
    if inside.size == 0 or min(mr.grid.shape) < FEWEST or not np.isfinite(inside).all():
        return mr
    low, high = np.percentile(inside, [1, 99])
    if high <= low:
        return mr
    # N4 works on logarithms: dark tissue must not count as ever so much darker.
    image = Volume((np.clip(mr.array, low, high) - low + 0.05 * (high - low)).astype(np.float32), mr.grid).to_sitk()
    mask = Volume(valid.astype(np.uint8), mr.grid).to_sitk()
    half = [2 if size >= 4 * FEWEST else 1 for size in image.GetSize()]
    n4 = sitk.N4BiasFieldCorrectionImageFilter()
    n4.SetMaximumNumberOfIterations(ITERATIONS)
    n4.Execute(sitk.Shrink(image, half), sitk.Shrink(mask, half))
    field = np.exp(sitk.GetArrayFromImage(n4.GetLogBiasFieldAsImage(image)))
    corrected = mr.array / field
    corrected *= inside.mean() / corrected[valid].mean() if corrected[valid].mean() > 0 else 1
    return Volume(corrected.astype(np.float32), mr.grid)
