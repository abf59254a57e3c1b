"""The last stage of a registration: the original pictures, compared by their structure, put the field right.

A translation by a network that is fitted to one pair gets the large features right and the places of fine ones wrong
by a millimetre or two; the original pictures know those places. Where both show the same structure, a smooth flow is
fitted to it. Where they do not, as in most pairs of a real MR and a real TRUS volume, any structure would do, and a fit
leads away from the truth as often as to it: the field stays as it is.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from torch import Tensor

from ..progress import SILENT, Progress
from . import losses
from .deformation import compose, resize, warp
from .pair import FittedDeformation, SharedStructure
from .self_similarity import self_similarity
from .smooth_flow import GRID_MM, SmoothFlow, coarse_shape

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .pair import Images

LEAST_AGREEMENT = 0.33
"""Correlation of the two pictures' structures below which it may have come about by chance."""
MOST_DISAGREEMENT_MM = 2.2
"""By how much two halves of the region may disagree about the motion, before what they found is put down to chance."""
BLOCK_MM = 10.0
"""Edge of the blocks that the halves consist of, as the colours of a three-dimensional chessboard."""


class Look(NamedTuple):
    """How the pictures are looked at, and how long they are followed.

    Attributes:
        blur_mm: standard deviation of the Gaussian that they are blurred with.
        patch_mm, reach_mm: see :func:`.self_similarity.self_similarity`.
        steps: of Adam.
        rate_mm: its first rate.
    """

    blur_mm: float
    patch_mm: float
    reach_mm: float
    steps: int
    rate_mm: float


COARSE = Look(3.0, 1.5, 2.5, 40, 0.5)
MIDDLE = Look(1.5, 1.0, 2.5, 50, 0.4)
FINE = Look(0.5, 0.7, 2.0, 50, 0.3)
LAMBDA_SMOOTH = 0.1
NEAR, FAR, LEAST_WEIGHT = 0.8, 1.3, 0.05
"""Where the weight begins and ceases to fall, in half edges of the region, and to what: the gland is in the middle."""


def follow_structure(
    images: Images,
    found: FittedDeformation,
    *,
    lambda_volume: float = 0.0,
    device: str = "cpu",
    progress: Progress = SILENT,
) -> FittedDeformation:
    """Put a deformation right by what both original pictures show.

    With w the weights, F the self-similarity of the fixed picture and M that of the moving one under the field that was
    found, the flow u = exp(v) minimises

        sum_x w(x) |F(x) - M(x + u(x))|^2 / (12 sum w) + lambda_smooth L_smooth + lambda_volume L_volume,

    first with a polynomial v on a coarse grid and blurred pictures, then there with all of it, then on the whole grid.
    The first fit is made twice, each time from rest and on another half of the region: the white and the black of a
    chessboard. Where both find the same motion, that is no chance.

    Args:
        images: the pair, with the pictures before their translation.
        found: what came before, which the flow is added to.
        lambda_volume: weight of changes of volume.
        device: ``cpu`` or ``cuda``.
        progress: told about each step.

    Returns:
        the deformation with what was seen of the structure; unchanged where that is not to be trusted.

    Raises:
        Cancelled: the user asked to stop.
    """
    shape, spacing = images.fixed.shape, images.spacing_mm
    there, back = (_tensor(field).to(device) for field in (found.displacement, found.inverse))
    weight = _weight(images.valid).to(device)

    small = coarse_shape(shape, spacing, GRID_MM)
    moving, fixed = (x.to(device) for x in _described(images, COARSE, small))
    moving, light = warp(moving, resize(there, small)), _resampled(weight, small)
    halves = []
    for n, half in enumerate(_halves(small, _spacing(images, small))):
        motion = SmoothFlow(small, _spacing(images, small)).to(device)
        motion.knots.requires_grad_(False)
        fitting = progress.part(0.15 * n, 0.15 * (n + 1))
        _fit(motion, moving, fixed, light * half.to(device), COARSE, lambda_volume, fitting)
        halves.append(motion)
    coarse = SmoothFlow(small, _spacing(images, small)).to(device)
    coarse.coefficients.data.copy_((halves[0].coefficients + halves[1].coefficients).data / 2)
    agreement = _agreement(warp(moving, coarse().detach()), fixed, light)
    disagreement = _distance_mm(*halves)
    if not (agreement >= LEAST_AGREEMENT and disagreement <= MOST_DISAGREEMENT_MM):
        progress.report(1.0)
        return replace(found, structure=SharedStructure(agreement, disagreement, followed=False))

    moving, fixed = (x.to(device) for x in _described(images, MIDDLE, small))
    moving = warp(moving, resize(there, small))
    _fit(coarse, moving, fixed, light, MIDDLE, lambda_volume, progress.part(0.3, 0.5))

    moving, fixed = (x.to(device) for x in _described(images, FINE, shape))
    flow = SmoothFlow(shape, spacing).to(device)
    for own, learned in zip(flow.parameters(), coarse.parameters(), strict=True):
        own.data.copy_(learned.data)
    fitting = progress.part(0.5, 1.0)
    history = _fit(flow, warp(moving, there), fixed, weight, FINE, lambda_volume, fitting)
    with torch.no_grad():
        displacement, inverse = compose(flow(), there), compose(back, flow.inverse())
    return replace(
        found,
        displacement=_array(displacement),
        inverse=_array(inverse),
        history={**found.history, "structure": history},
        structure=SharedStructure(agreement, disagreement, followed=True),
    )


def _fit(
    flow: SmoothFlow,
    moving: Tensor,
    fixed: Tensor,
    weight: Tensor,
    look: Look,
    lambda_volume: float,
    progress: Progress,
) -> list[float]:
    """Adam, its rate falling to a tenth along a cosine; the difference of the pictures at each step."""
    optimiser = torch.optim.Adam([x for x in flow.parameters() if x.requires_grad], look.rate_mm)
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, look.steps, look.rate_mm / 10)
    history = []
    for _ in progress.steps(look.steps, "Following the structure"):
        displacement = flow()
        difference = losses.masked_mean((warp(moving, displacement) - fixed).square(), weight).mean()
        loss = difference + LAMBDA_SMOOTH * flow.roughness()
        if lambda_volume:
            loss = loss + lambda_volume * losses.volume_change(displacement, weight)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        decay.step()
        history.append(float(difference.detach()))
    return history


def _agreement(one: Tensor, other: Tensor, weight: Tensor) -> float:
    """Correlation over all channels, each less its own mean; 0 where either shows nothing."""
    share = weight / weight.sum()
    one, other = (x - (x * share).sum(dim=(2, 3, 4), keepdim=True) for x in (one, other))
    product, *squares = (float((x * share).sum()) for x in (one * other, one * one, other * other))
    return product / max(float(np.sqrt(squares[0] * squares[1])), losses.EPSILON)


def _distance_mm(one: SmoothFlow, other: SmoothFlow) -> float:
    """Mean distance of two flows in the middle of their region."""
    with torch.no_grad():
        apart = (one() - other()) * one.steps_mm
    k, j, i = (slice(n // 4, n - n // 4) for n in apart.shape[2:])
    return float(apart[:, :, k, j, i].norm(dim=1).mean())


def _halves(shape: Sequence[int], spacing_mm: Sequence[float]) -> tuple[Tensor, Tensor]:
    """The white and the black blocks of a chessboard, each (1, 1, depth, height, width)."""
    steps = np.asarray(spacing_mm)[::-1].reshape(3, 1, 1, 1)
    colour = (np.indices(shape) * steps // BLOCK_MM).sum(axis=0) % 2
    white = torch.from_numpy(colour.astype(np.float32))[None, None]
    return white, 1 - white


def _described(images: Images, look: Look, shape: Sequence[int]) -> tuple[Tensor, Tensor]:
    """The self-similarity of both original pictures, blurred, on a grid of another shape."""
    steps, spacing = np.asarray(images.spacing_mm)[::-1], _spacing(images, shape)
    moving, fixed = (
        gaussian_filter(_clipped(picture, images.valid), look.blur_mm / steps, mode="nearest")
        for picture in images.originals
    )
    moving, fixed = (_resampled(torch.from_numpy(x)[None, None], shape)[0, 0].numpy() for x in (moving, fixed))
    described = partial(self_similarity, spacing_mm=spacing, patch_mm=look.patch_mm, reach_mm=look.reach_mm)
    return described(moving), described(fixed)


def _clipped(picture: NDArray[np.float32], valid: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Without the brightest and the darkest hundredth, and with its own mean where nothing is valid."""
    clipped = np.clip(picture, *np.percentile(picture[valid], [1, 99]))
    return np.where(valid, clipped, clipped[valid].mean()).astype(np.float32)


def _weight(valid: NDArray[np.bool_]) -> Tensor:
    """1 in the middle of the region, less outside, 0 where nothing is valid; (1, 1, depth, height, width)."""
    axes = [np.linspace(-1, 1, n) for n in valid.shape]
    radius = np.sqrt(sum(x**2 for x in np.meshgrid(*axes, indexing="ij")))
    falling = np.clip((FAR - radius) / (FAR - NEAR), LEAST_WEIGHT, 1)
    return torch.from_numpy((valid * falling).astype(np.float32))[None, None]


def _resampled(x: Tensor, shape: Sequence[int]) -> Tensor:
    return F.interpolate(x, size=tuple(shape), mode="trilinear", align_corners=True)


def _spacing(images: Images, shape: Sequence[int]) -> list[float]:
    """Voxel size along (i, j, k) of a grid of another shape over the same corners."""
    counts = zip(images.spacing_mm, reversed(images.fixed.shape), reversed(shape), strict=True)
    return [step * (n - 1) / max(m - 1, 1) for step, n, m in counts]


def _tensor(field: NDArray[np.float32]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(field)).permute(3, 0, 1, 2)[None].contiguous()


def _array(field: Tensor) -> NDArray[np.float32]:
    return np.ascontiguousarray(field[0].permute(1, 2, 3, 0).float().cpu().numpy())
