"""What keeps the world outside the fan out of everything: pictures have a real part and a rest that must not count."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from ..errors import InputError


def normalised(array: ArrayLike, valid: NDArray[np.bool_]) -> NDArray[np.float32]:
    """A picture in [-1, 1]: the 1st to the 99th percentile of its valid voxels, the rest clipped.

    Args:
        array: (k, j, i), any intensities.
        valid: (k, j, i), true where the picture is real. Everywhere else the result is the mean of the valid voxels.

    Raises:
        InputError: no valid voxels, values that are not finite, or a picture without contrast.
    """
    array = np.asarray(array, dtype=np.float32)
    inside = array[valid]
    if inside.size == 0:
        raise InputError("No voxel is marked as valid: give images that overlap.")
    if not np.isfinite(inside).all():
        raise InputError("The image holds values that are not finite: replace them and start again.")
    low, high = np.percentile(inside, [1, 99])
    if high <= low:
        raise InputError("The image is constant where it is valid: give an image with contrast.")
    scaled = np.clip(2 * (array - low) / (high - low) - 1, -1, 1)
    return np.where(valid, scaled, scaled[valid].mean()).astype(np.float32)


def neutral_outside(x: Tensor, valid: Tensor | None) -> Tensor:
    """Every slice with its invalid voxels replaced by the mean of its valid ones (0 where it has none).

    Args:
        x: (..., slice, channel, height, width).
        valid: (slice, 1, height, width), bool; None means that all is valid.
    """
    if valid is None:
        return x
    weight = valid.to(x.dtype)
    # where, not a product: what lies outside may be anything, even infinite.
    inside = torch.where(valid, x, torch.zeros((), dtype=x.dtype, device=x.device))
    mean = inside.sum(dim=(-2, -1), keepdim=True) / weight.sum(dim=(-2, -1), keepdim=True).clamp(min=1)
    return torch.where(valid, x, mean)


def eroded(valid: Tensor, radius: int) -> Tensor:
    """The voxels whose whole square neighbourhood is valid; beyond the picture's rim counts as valid.

    Args:
        valid: (slice, 1, height, width), bool.
        radius: half the side of the square, in voxels.
    """
    if radius == 0:
        return valid
    return F.max_pool2d((~valid).float(), 2 * radius + 1, stride=1, padding=radius) == 0


def shrunk(valid: Tensor, height: int, width: int) -> Tensor:
    """The mask on a coarser feature map: a cell is valid where all the voxels that it covers are."""
    factor = valid.shape[-1] // width
    if factor * width != valid.shape[-1] or factor * height != valid.shape[-2]:
        raise ValueError(f"A mask of {tuple(valid.shape[-2:])} does not fit features of {(height, width)}.")
    return F.max_pool2d((~valid).float(), factor) == 0


def masked_mean(x: Tensor, valid: Tensor | None) -> Tensor:
    """The mean over valid voxels and all channels; 0 where nothing is valid.

    Args:
        x: (slice, channel, height, width).
        valid: (slice, 1, height, width), bool.
    """
    if valid is None:
        return x.mean()
    kept = torch.where(valid, x, torch.zeros((), dtype=x.dtype, device=x.device))
    return kept.sum() / (valid.sum() * x.shape[1]).clamp(min=1)
