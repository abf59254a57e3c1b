"""A fixed, simple registration that says how alike a translation made two images: diffeomorphic demons.

Its force is the plain difference of grey values, so it gains as much as the two images agree on what is bright and what
is dark where. Nothing in it is learnt, tuned to a pair, or different between translations. It works on a short leash
(one coarse level, few and small steps, a field smooth over most of a gland), as anyone would give it to images of two
modalities: left to itself it tears a good start apart wherever the two differ.
"""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from ..errors import Cancelled
from ..progress import SILENT, Progress
from ..volume import Volume

VOXEL_MM = 4.0
"""About so large are the voxels on which it works."""
ITERATIONS = 10
STEP_MM = 1.0
SMOOTHING_MM = 8.0
"""Standard deviation of the Gaussian that smooths the whole field after every step."""
WIDEST_KERNEL = 100


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
    factors = [max(1, round(VOXEL_MM / spacing)) for spacing in fixed.grid.spacing_mm]
    small = [sitk.Shrink(sitk.SmoothingRecursiveGaussian(image, VOXEL_MM / 2), factors) for image in images]
    onto = sitk.ResampleImageFilter()
    onto.SetReferenceImage(images[0])
    onto.UseNearestNeighborExtrapolatorOn()  # the large voxels' centres do not reach the rim
    field = onto.Execute(_demons(small, progress))
    return Volume(sitk.GetArrayFromImage(field).astype(np.float32), fixed.grid)


def _demons(images: list[sitk.Image], progress: Progress) -> sitk.Image:
    """The filter is stopped by a word and not by an exception."""
    spacing_mm = np.array(images[0].GetSpacing())
    demons = sitk.DiffeomorphicDemonsRegistrationFilter()
    demons.SetNumberOfIterations(ITERATIONS)
    demons.SmoothDisplacementFieldOn()
    demons.SetStandardDeviations((SMOOTHING_MM / spacing_mm).tolist())
    demons.SetMaximumKernelWidth(WIDEST_KERNEL)
    demons.SetMaximumUpdateStepLength(STEP_MM / float(spacing_mm.max()))  # in voxels
    ended: list[Cancelled] = []

    def tell() -> None:
        try:
            progress.report(demons.GetElapsedIterations() / ITERATIONS, "Demons")
        except Cancelled as cancelled:
            ended.append(cancelled)
            demons.Abort()

    demons.AddCommand(sitk.sitkIterationEvent, tell)
    try:
        return demons.Execute(*images)
    except RuntimeError:
        if ended:
            raise ended[0] from None
        raise
