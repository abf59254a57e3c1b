"""What keeps a translation from collapsing, beyond the paper.

Equation 14 is cheapest for one picture that is the answer to every input. These terms tie a translation to the edges
of its own source in the image itself, where the network cannot bend the ruler.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .losses import depthwise, gaussian_kernel, sobel
from .masking import eroded, masked_mean, neutral_outside

_VOXEL = gaussian_kernel(7, 1.0).sum(dim=0, keepdim=True)
_SMOOTH = gaussian_kernel(9, 1.5).sum(dim=0, keepdim=True)
_EPSILON = 1e-8


def without_fine(x: Tensor, valid: Tensor | None) -> Tensor:
    """The picture after a Gaussian of one voxel, as the features of the losses see it.

    What is finer is no anatomy at this resolution, but a network soon finds stripes of two or three voxels that make
    the features of any two pictures alike.

    Args:
        x: (..., slice, 1, height, width).
        valid: (slice, 1, height, width), bool.
    """
    smooth = neutral_outside(x, valid).flatten(0, -4)
    return depthwise(depthwise(smooth, _VOXEL), _VOXEL.T).view_as(x)


def edges(x: Tensor, valid: Tensor | None, window: int = 0) -> Tensor:
    """Signed slopes (slice, 2, height, width) of the picture after a Gaussian of 1.5 voxels; 0 near the mask's rim.

    Without the smoothing a translation scores by stripes that are no anatomy.

    Args:
        x: (slice, 1, height, width).
        valid: (slice, 1, height, width), bool.
        window: brightness that changes over more than so many voxels is no edge; 0 where all slopes count.
    """
    x = neutral_outside(x, valid)
    if window > 1:
        x = x - regional(x, window)
    smooth = depthwise(depthwise(x, _SMOOTH), _SMOOTH.T)
    slopes = sobel(smooth)[:, :, 0]
    return slopes if valid is None else slopes * eroded(valid, 3)


def regional(x: Tensor, window: int) -> Tensor:
    """The picture's slow brightness: means over an odd window, twice; at the rim over what there is of it."""
    half = window // 2
    for _ in range(2):  # rows and columns in turn: the same means, and far fewer sums
        x = F.avg_pool2d(x, (window, 1), stride=1, padding=(half, 0), count_include_pad=False)
        x = F.avg_pool2d(x, (1, window), stride=1, padding=(0, half), count_include_pad=False)
    return x


def edge_agreement(
    x_1: Tensor, x_0: Tensor, valid: Tensor | None = None, signed: bool = True, window: int = 0
) -> Tensor:
    """How far the edges of a translation are those of its source: 1 all of them, 0 unrelated.

    Signed, it is the correlation of slopes, and an edge whose contrast flips counts as -1. Unsigned, slopes are
    compared by their double angle, so that a flipped edge counts as kept and one at right angles as -1.

    Args:
        x_1: (slice, 1, height, width), the translation.
        x_0: (slice, 1, height, width), its source.
        valid: (slice, 1, height, width), bool.
        signed: whether the sign of the contrast counts.
        window: see :func:`edges`.
    """
    a, b = edges(x_1, valid, window), edges(x_0, valid, window)
    aa, bb, ab = (a * a).sum(dim=1), (b * b).sum(dim=1), (a * b).sum(dim=1)
    if not signed:
        # |a||b| cos(2 angle) = 2 (a.b)^2 / (|a||b|) - |a||b|
        lengths = torch.sqrt(aa * bb + _EPSILON**2)
        ab = 2 * ab * ab / lengths - lengths
    return ab.sum() / torch.sqrt(aa.sum() * bb.sum() + _EPSILON**2)


def total_variation(x: Tensor, valid: Tensor | None = None) -> Tensor:
    """Mean absolute difference of neighbours along columns and rows, in [-1, 1] grey per voxel."""
    columns, rows = (x[..., 1:] - x[..., :-1]).abs(), (x[..., 1:, :] - x[..., :-1, :]).abs()
    if valid is None:
        return columns.mean() + rows.mean()
    return masked_mean(columns, valid[..., 1:] & valid[..., :-1]) + masked_mean(
        rows, valid[..., 1:, :] & valid[..., :-1, :]
    )


@dataclass
class TextureController:
    """The share of the texture weight in use: a ramp over the first fifth, and halved while edges are being lost.

    Attributes:
        least: edge agreement below which the share is halved; it recovers slowly above.
        share: without the ramp.
    """

    least: float = 0.3
    share: float = 1.0

    def __call__(self, done: float, agreement: float) -> float:
        """The factor when this share of the run is done, given the edge agreement of late."""
        self.share = max(self.share / 2, 1 / 64) if agreement < self.least else min(self.share * 1.05, 1.0)
        return self.share * min(1.0, done / 0.2)
