"""A fixed, simple registration that says how alike a translation made two images: diffeomorphic demons.

Its force is the plain difference of grey values, so it gains as much as the two images agree on what is bright and what
is dark where. Nothing in it is learnt, tuned to a pair, or different between translations.
"""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from ..errors import Cancelled
from ..progress import SILENT, Progress
from ..volume import Volume

SHRINKING = (4, 2, 1)
ITERATIONS = (40, 30, 20)
SMOOTHING_VOXELS = 2.0


def register_by_demons(
    moving: Volume, fixed: Volume, valid: NDArray[np.bool_], *, progress: Progress = SILENT
) -> Volume:
    """The displacement (k, j, i, 3) in mm LPS from fixed to moving points, on the grid of both.

    Args:
        moving: (k, j, i) in [-1, 1], on the grid of ``fixed``.
        fixed: likewise.
        valid: (k, j, i), where both show something; elsewhere both are taken as the mean of the rest, which pulls
            nowhere.
        progress: told about every iteration.

    Raises:
        Cancelled: the user asked to stop.
    """
    images = []
    for volume in (fixed, moving):
        inside = volume.array[valid].astype(np.float32)
        even = np.where(valid, (volume.array - inside.mean()) / max(float(inside.std()), 1e-6), 0.0)
        images.append(Volume(even.astype(np.float32), volume.grid).to_sitk())
    field: sitk.Image | None = None
    for number, (factor, iterations) in enumerate(zip(SHRINKING, ITERATIONS, strict=True)):
        blurred = [sitk.SmoothingRecursiveGaussian(image, _sigmas(image, factor)) for image in images]
        small = [sitk.Shrink(image, [min(factor, n // 4) for n in image.GetSize()]) for image in blurred]
        if field is None:
            field = sitk.Image(small[0].GetSize(), sitk.sitkVectorFloat64, 3)
            field.CopyInformation(small[0])
        else:
            field = sitk.Resample(field, small[0], sitk.Transform(), sitk.sitkLinear, 0.0, sitk.sitkVectorFloat64)
        field = _demons(small, field, iterations, progress.part(number / 3, (number + 1) / 3))
    return Volume(sitk.GetArrayFromImage(field).astype(np.float32), fixed.grid)


def _sigmas(image: sitk.Image, factor: int) -> list[float]:
    """Standard deviations in mm of the blur before shrinking; next to none at full resolution."""
    return [spacing * max(factor / 2, 0.1) if factor > 1 else spacing * 0.1 for spacing in image.GetSpacing()]


def _demons(images: list[sitk.Image], start: sitk.Image, iterations: int, progress: Progress) -> sitk.Image:
    """One level; the filter is stopped by a word and not by an exception."""
    demons = sitk.DiffeomorphicDemonsRegistrationFilter()
    demons.SetNumberOfIterations(iterations)
    demons.SmoothDisplacementFieldOn()
    demons.SetStandardDeviations(SMOOTHING_VOXELS)
    demons.SetMaximumUpdateStepLength(1.0)
    ended: list[Cancelled] = []

    def tell() -> None:
        try:
            progress.report(demons.GetElapsedIterations() / iterations, "Demons")
        except Cancelled as cancelled:
            ended.append(cancelled)
            demons.Abort()

    demons.AddCommand(sitk.sitkIterationEvent, tell)
    try:
        return demons.Execute(*images, start)
    except RuntimeError:
        if ended:
            raise ended[0] from None
        raise
