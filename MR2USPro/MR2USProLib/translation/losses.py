"""The losses of ACMT (paper, equations 5 to 7 and 10 to 14).

The kernels that measure are fixed: learned ones make both losses vanish by measuring nothing. All norms are means
over valid voxels, so that a loss does not depend on the size of the picture.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .entropy import gaussian_patch_entropy
from .masking import eroded, masked_mean, shrunk


def gaussian_kernel(size: int, sigma: float) -> Tensor:
    """A Gaussian (size, size) of sum 1, its standard deviation in voxels."""
    x = torch.arange(size, dtype=torch.float32) - (size - 1) / 2
    row = torch.exp(-0.5 * (x / sigma) ** 2)
    kernel = torch.outer(row, row)
    return kernel / kernel.sum()


_BINOMIAL = torch.outer(torch.tensor([1.0, 2.0, 1.0]), torch.tensor([1.0, 2.0, 1.0])) / 16
_GAUSSIAN = gaussian_kernel(7, 1.5).sum(dim=0, keepdim=True)
_SOBEL_X = torch.outer(torch.tensor([1.0, 2.0, 1.0]), torch.tensor([-1.0, 0.0, 1.0])) / 8


def depthwise(x: Tensor, kernel: Tensor) -> Tensor:
    """Correlate every channel of (slice, channel, height, width) with one kernel; the rim is reflected."""
    channels, rows, columns = x.shape[1], kernel.shape[-2] // 2, kernel.shape[-1] // 2
    weight = kernel.to(x).expand(channels, 1, *kernel.shape)
    return F.conv2d(F.pad(x, (columns, columns, rows, rows), mode="reflect"), weight, groups=channels)


def c3x3(features: Tensor) -> Tensor:
    """The 3x3 kernel of equations 10 and 11: binomial."""
    return depthwise(features, _BINOMIAL)


def c7x7(features: Tensor) -> Tensor:
    """The 7x7 kernel of equation 13: a Gaussian of 1.5 voxels, along the rows and along the columns in turn."""
    return depthwise(depthwise(features, _GAUSSIAN), _GAUSSIAN.T)


def sobel(x: Tensor) -> Tensor:
    """Signed slopes per voxel along columns and rows: (slice, channel, h, w) to (slice, 2, channel, h, w)."""
    return torch.stack([depthwise(x, _SOBEL_X), depthwise(x, _SOBEL_X.T)], dim=1)


def bridge_loss(x_t: Tensor, x_1: Tensor, t: float, sigma: float, valid: Tensor | None = None) -> Tensor:
    """Equations 5 and 6 for one modality: mean |x_t - x_1|^2 - 2 sigma (1 - t) H(x_t, x_1), H per voxel.

    Args:
        x_t: (slice, 1, height, width), the simulated state.
        x_1: (slice, 1, height, width), the prediction from it.
        t: the time of ``x_t``.
        sigma: variance of the bridge per unit of time.
        valid: (slice, 1, height, width), bool.
    """
    distance = masked_mean((x_t - x_1) ** 2, valid)
    return distance - 2 * sigma * (1 - t) * gaussian_patch_entropy(x_t, x_1, valid)


def boundary_loss(deep_1: Tensor, deep_0: Tensor, valid: Tensor | None = None) -> Tensor:
    """Equations 10 and 11 for one modality: mean |S(C3x3(F_1)) - S(C3x3(F_0))|.

    Args:
        deep_1: (slice, channel, h, w), deep features of the translation.
        deep_0: (slice, channel, h, w), deep features of the source; a target, no gradient flows into it.
        valid: (slice, 1, height, width), bool, at the resolution of the picture.
    """
    difference = (sobel(c3x3(deep_1)) - sobel(c3x3(deep_0.detach()))).abs().flatten(1, 2)
    return masked_mean(difference, None if valid is None else eroded(shrunk(valid, *deep_1.shape[-2:]), 1))


def texture_loss(shallow_mr: Tensor, shallow_us: Tensor, valid: Tensor | None = None) -> Tensor:
    """Equation 13: mean |C7x7(F_1 of MR) - C7x7(F_1 of US)|^2.

    Args:
        shallow_mr: (slice, channel, height, width), shallow features of the translated MR.
        shallow_us: (slice, channel, height, width), those of the translated US.
        valid: (slice, 1, height, width), bool.
    """
    return masked_mean((c7x7(shallow_mr) - c7x7(shallow_us)) ** 2, valid)


@dataclass(frozen=True)
class LossWeights:
    """The weights of equation 14, and those of the guards beyond the paper (see :mod:`.guards`)."""

    bridge: float = 1.0
    boundary: float = 1.0
    texture: float = 3.0
    edges: float = 3.0
    variation: float = 0.2
    dark: float = 0.15

    def paper(self, bridge: Tensor, boundary: Tensor, texture: Tensor) -> Tensor:
        """Equation 14. The first two are means over MR and US (equations 7 and 12)."""
        return self.bridge * bridge + self.boundary * boundary + self.texture * texture
