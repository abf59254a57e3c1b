"""Deformations as tensors: warping, composing, integrating and resizing displacement fields.

A field is (batch, 3, depth, height, width). Its components are voxels of its own grid along (i, j, k), that is along
width, height and depth, and it pulls: the warped image at x is the moving image at x + u(x).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def sampling_grid(displacement: Tensor) -> Tensor:
    """Where a field samples, as ``grid_sample`` wants it: (batch, depth, height, width, 3) in [-1, 1]."""
    shape = displacement.shape[2:]
    axes = [torch.arange(n, device=displacement.device, dtype=displacement.dtype) for n in shape]
    k, j, i = torch.meshgrid(*axes, indexing="ij")
    position = torch.stack([i, j, k]) + displacement
    last = torch.tensor([max(n - 1, 1) for n in reversed(shape)], device=position.device, dtype=position.dtype)
    return (2 * position / last.view(1, 3, 1, 1, 1) - 1).permute(0, 2, 3, 4, 1)


def warp(image: Tensor, displacement: Tensor, mode: str = "bilinear", *, beyond: str = "border") -> Tensor:
    """The image seen through a field: value at x is the image's at x + u(x).

    Beyond its border the image goes on with its edge value: zeros would be the darkest grey, which eq. 15 takes for the
    prostate's interior.

    Args:
        image: (batch, channel, depth, height, width).
        displacement: (batch, 3, depth, height, width) in voxels along (i, j, k).
        mode: ``bilinear`` (trilinear in space) or ``nearest``.
        beyond: what lies beyond the border, ``border`` or ``zeros``.
    """
    return F.grid_sample(image, sampling_grid(displacement), mode=mode, padding_mode=beyond, align_corners=True)


def compose(first: Tensor, second: Tensor) -> Tensor:
    """The field that moves by ``first`` and then, from there, by ``second``: u(x) = first(x) + second(x + first(x))."""
    return first + warp(second, first)


def integrate(velocity: Tensor, steps: int = 6) -> Tensor:
    """Follow a stationary velocity for one unit of time by scaling and squaring.

    The result is a diffeomorphism, whose inverse is ``integrate(-velocity)``. This is our addition to the paper, which
    lets the network give the displacement itself and says nothing of folding.

    Args:
        velocity: (batch, 3, depth, height, width) in voxels.
        steps: squarings; the first step covers 2^-steps of the way.
    """
    displacement = velocity / 2**steps
    for _ in range(steps):
        displacement = compose(displacement, displacement)
    return displacement


def inverted(displacement: Tensor, *, tolerance: float = 1e-3, iterations: int = 100) -> Tensor:
    """The way back by fixed-point iteration, v(y) = -u(y + v(y)) (Chen et al. 2008).

    It converges where the displacement changes by less than a voxel from one voxel to the next; where the field folds
    there is no way back, and the last iterate is given.

    Args:
        displacement: (batch, 3, depth, height, width) in voxels.
        tolerance: largest change of a component, in voxels, at which it is done.
        iterations: at most.
    """
    back = -displacement
    for _ in range(iterations):
        nearer = -warp(displacement, back)
        change = (nearer - back).abs().max()
        back = nearer
        if change < tolerance:
            break
    return back


def resize(field: Tensor, shape: Sequence[int]) -> Tensor:
    """The same motion on a grid of another shape (depth, height, width), corner voxels on corner voxels.

    Values are scaled, since they are voxels of the grid they live on.
    """
    old, new = list(field.shape[2:]), list(shape)
    if old == new:
        return field
    ratio = [(n - 1) / max(o - 1, 1) for n, o in zip(reversed(new), reversed(old), strict=True)]
    scale = torch.tensor(ratio, device=field.device, dtype=field.dtype).view(1, 3, 1, 1, 1)
    return F.interpolate(field, size=new, mode="trilinear", align_corners=True) * scale


def jacobian_determinant(displacement: Tensor) -> Tensor:
    """det(I + grad u) by forward differences, (batch, depth - 1, height - 1, width - 1); not positive where it folds.

    Args:
        displacement: (batch, 3, depth, height, width) in voxels.
    """
    depth, height, width = displacement.shape[2:]
    inner = displacement[:, :, : depth - 1, : height - 1, : width - 1]
    columns = [
        displacement[:, :, : depth - 1, : height - 1, 1:] - inner,
        displacement[:, :, : depth - 1, 1:, : width - 1] - inner,
        displacement[:, :, 1:, : height - 1, : width - 1] - inner,
    ]
    gradient = torch.stack(columns, dim=-1).permute(0, 2, 3, 4, 1, 5)
    return torch.linalg.det(gradient + torch.eye(3, device=gradient.device, dtype=gradient.dtype))
