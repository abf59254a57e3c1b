"""The losses: MR2US-Pro's, one function for each equation of its section III-C, and those of its rivals."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from .deformation import jacobian_determinant

EPSILON = 1e-6


def standardised(image: Tensor, valid: Tensor | None = None) -> Tensor:
    """The image with mean 0 and standard deviation 1 over the valid voxels.

    Eq. 15 has no scale: on pictures in [-1, 1] its values span little, and a warp that raises the contrast lowers
    eq. 16 as well as one that aligns. With both pictures in units of their own spread, only alignment pays.
    """
    mean = masked_mean(image, valid)
    variance = masked_mean((image - mean) ** 2, valid)
    return (image - mean) / torch.sqrt(variance + EPSILON)


def masked_mean(image: Tensor, valid: Tensor | None = None) -> Tensor:
    """Mean of each item of the batch over its valid voxels, (batch, 1, 1, 1, 1)."""
    axes = tuple(range(1, image.ndim))
    if valid is None:
        return image.mean(dim=axes, keepdim=True)
    weight = valid.to(image.dtype).expand_as(image)
    return (image * weight).sum(dim=axes, keepdim=True) / weight.sum(dim=axes, keepdim=True).clamp_min(EPSILON)


def anatomy(image: Tensor, valid: Tensor | None = None) -> Tensor:
    """F_Ana, eq. 15: sigmoid(-(x - mean x)), near 1 in the dark interior of the prostate and near 0 on bright borders.

    Args:
        image: (batch, channel, depth, height, width).
        valid: the same shape, true where the picture shows something; the mean is taken there.
    """
    return torch.sigmoid(masked_mean(image, valid) - image)


def soft_dice(one: Tensor, other: Tensor, valid: Tensor | None = None) -> Tensor:
    """L_sim, eq. 16: 1 - (2 sum(a b) + eps) / (sum a + sum b + eps), over the valid voxels of the whole batch.

    The value never reaches 0 for values between 0 and 1, not even where both are equal: judge it by its change.
    """
    if valid is not None:
        one, other = one * valid, other * valid
    return 1 - (2 * (one * other).sum() + EPSILON) / (one.sum() + other.sum() + EPSILON)


def smoothness(displacement: Tensor, spacing_mm: Sequence[float] | Tensor) -> Tensor:
    """L_smooth, eq. 17: squared gradient of the displacement, with both measured in mm.

    The paper prints a sum, which would grow with the grid and drown the other terms; this is the mean over the voxels
    of the sum over the nine partial derivatives. They are free of units: mm of displacement for each mm of space.

    Args:
        displacement: (batch, 3, depth, height, width) in voxels along (i, j, k).
        spacing_mm: voxel size along (i, j, k); one, or (batch, 3) for each item.
    """
    steps = _spacing(displacement, spacing_mm)
    field_mm = displacement * steps
    total = displacement.new_zeros(())
    for n, axis in enumerate((4, 3, 2)):
        slope = torch.diff(field_mm, dim=axis) / steps[:, n : n + 1]
        total = total + slope.square().sum(dim=1).mean()
    return total


def mean_squared_length(displacement: Tensor, spacing_mm: Sequence[float] | Tensor) -> Tensor:
    """Mean squared length of the displacement in mm^2, which is not in the paper.

    Eq. 17 costs a translation nothing, so that two pictures with nothing in common would drift apart for ever; a little
    of this term keeps them where they are.

    Args:
        displacement: (batch, 3, depth, height, width) in voxels along (i, j, k).
        spacing_mm: voxel size along (i, j, k); one, or (batch, 3) for each item.
    """
    return (displacement * _spacing(displacement, spacing_mm)).square().sum(dim=1).mean()


def volume_change(displacement: Tensor, valid: Tensor | None = None) -> Tensor:
    """Mean squared logarithm of det(I + grad u), which is not in the paper: 0 where no volume changes.

    A prostate is pressed by the probe but hardly compressed, so that what becomes shorter becomes wider.

    Args:
        displacement: (batch, 3, depth, height, width) in voxels.
        valid: (batch, 1, depth, height, width), weights of the voxels.
    """
    logarithm = jacobian_determinant(displacement).clamp_min(1e-3).log()
    weight = None if valid is None else valid[:, 0, :-1, :-1, :-1]
    return masked_mean(logarithm.square(), weight).mean()


def local_correlation(one: Tensor, other: Tensor, window: int = 9) -> Tensor:
    """Squared local correlation coefficient of two pictures at each voxel, (batch, 1, depth, height, width).

    VoxelMorph, DiffuseMorph and FSDiffReg sum over the window by a convolution with ones; the mean by average pooling
    along one axis after the other is the same, but for a factor, and far cheaper. Zeros lie beyond the border.
    """
    size = float(window**3)
    mean_1, mean_2, square_1, square_2, product = _local_means(
        torch.cat([one, other, one * one, other * other, one * other], dim=1), window
    ).split(1, dim=1)
    cross = size * (product - mean_1 * mean_2)
    variance_1 = size * (square_1 - mean_1 * mean_1)
    variance_2 = size * (square_2 - mean_2 * mean_2)
    return cross * cross / (variance_1 * variance_2 + 1e-5)


def _local_means(images: Tensor, window: int) -> Tensor:
    half = window // 2
    for axis in range(3):
        kernel, padding = [1, 1, 1], [0, 0, 0]
        kernel[axis], padding[axis] = window, half
        images = F.avg_pool3d(images, kernel, stride=1, padding=padding)
    return images


def squared_gradient(field: Tensor) -> Tensor:
    """Mean squared forward difference, the mean over the three directions, in voxels: the rivals' smoothness."""
    return torch.stack([torch.diff(field, dim=axis).square().mean() for axis in (2, 3, 4)]).mean()


def _spacing(displacement: Tensor, spacing_mm: Sequence[float] | Tensor) -> Tensor:
    given = torch.as_tensor(spacing_mm, device=displacement.device, dtype=displacement.dtype)
    return given.view(-1, 3, 1, 1, 1)


def diffusion(score: Tensor, noise: Tensor) -> Tensor:
    """L_diffusion, eq. 18: mean squared difference of the predicted score and the noise that was added."""
    return (score - noise).square().mean()


def total(
    similarity: Tensor,
    smooth: Tensor,
    diffused: Tensor,
    *,
    lambda_sim: float,
    lambda_smooth: float,
    lambda_diff: float,
) -> Tensor:
    """L_total, eq. 19: the weighted sum of eq. 16, 17 and 18."""
    return lambda_sim * similarity + lambda_smooth * smooth + lambda_diff * diffused
