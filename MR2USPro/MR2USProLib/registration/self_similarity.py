"""The registration by self-similarity: what both pictures show alike is laid on each other, without a network.

Each picture is described by how each place of it resembles its neighbourhood, which no modality changes. Where both
show the same structure, a flow that lays one description on the other is right to a millimetre or two. Where they do
not, as in most pairs of a real MR and a real TRUS volume, any structure would do, and a fit leads away from the truth
as often as to it: nothing is moved then.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates
from torch import Tensor

from ..progress import SILENT, Progress
from .comparison import Comparison
from .deformation import warp
from .first_look import starts
from .mind import self_similarity
from .pair import FittedDeformation, Images, SharedStructure
from .smooth_flow import POWERS, SmoothFlow, coarser

if TYPE_CHECKING:
    from .training import FieldListener

Array = NDArray[np.float64]

GRID_MM = 1.6
"""About the spacing of the grid on which the pictures are compared; the networks' is finer than a motion needs."""
MOST_VOXELS = 150_000
"""Of that grid: three times those of a box around a gland. Without a box they lie further apart."""
LEAST_AGREEMENT = 0.2
"""Correlation of the two pictures' descriptions below which it may have come about by chance."""
MOST_DISAGREEMENT_MM = 1.5
"""By how much two halves of the region may disagree about the motion, before what they found is put down to chance."""
LEAST_ERROR_MM, ERROR_FOR_DISAGREEMENT = 1.0, 2.3
"""What is left where both halves agree, and how much more for each mm by which they do not: as measured on simulated
exams of known truth."""
BLOCK_MM = 10.0
"""Edge of the blocks that the halves consist of, as the colours of a three-dimensional chessboard."""
BEGUN = 2
"""Of the first look's starts, so many are followed, besides that from rest."""
TRIED, FOLLOWED, COARSE_STEPS, FINE_STEPS = 6, 15, 12, 20
"""Steps: of each start, of the best of them, of all of the flow on the coarse and on the fine description."""
INCOMPRESSIBLE = 0.5
"""Weight of changes of volume where the tissue is to hold it."""
NEAR, FAR, LEAST_WEIGHT = 0.8, 1.3, 0.05
"""Where the weight begins and ceases to fall, in half edges of the region, and to what: the gland is in the middle."""


class Look(NamedTuple):
    """How the pictures are looked at.

    Attributes:
        blur_mm: standard deviation of the Gaussian that they are blurred with.
        patch_mm, reach_mm: see :func:`.mind.self_similarity`.
    """

    blur_mm: float
    patch_mm: float
    reach_mm: float


COARSE = Look(1.5, 1.0, 2.5)
FINE = Look(0.5, 0.7, 2.0)


def register_by_self_similarity(
    images: Images,
    *,
    incompressible: bool = False,
    device: str = "cpu",
    progress: Progress = SILENT,
    on_field: FieldListener = lambda field: None,
) -> FittedDeformation:
    """The flow that lays the moving picture's structure on the fixed one's; none where they do not share any.

    First the coarse motion is looked for twice, each time from several starts and on another half of the region: the
    white and the black of a chessboard. Where both find the same motion, that is no chance, and all of the flow goes on
    from their mean, on the coarse description and then on the fine one.

    Args:
        images: the pair.
        incompressible: charge the fit for changes of volume.
        device: ``cpu`` or ``cuda``.
        progress: told about each step.
        on_field: offered the field of the moment, once both halves agree.

    Returns:
        the deformation, with the size that its error is expected to have by how far the halves are apart, and what was
        seen of the structure; all zeros, without an expected error, where that is not to be trusted.

    Raises:
        Cancelled: the user asked to stop.
    """
    shape = images.fixed.shape
    small = coarser(shape, images.spacing_mm, GRID_MM, MOST_VOXELS)
    flow = SmoothFlow(small, _spacing(images, small), device)
    weight = _resampled(_weight(images.valid), small).to(device)
    shown = _resampled(torch.from_numpy(images.valid.astype(np.float32))[None, None], small).to(device)
    progress.report(0.0, "Describing the pictures")
    coarse = _described(images, COARSE, small, device)
    progress.report(0.03, "Describing the pictures")
    fine = _described(images, FINE, small, device)
    volume = INCOMPRESSIBLE if incompressible else 0.0

    halves = []
    for n, half in enumerate(_halves(flow)):
        looking = progress.part(0.05 + 0.2 * n, 0.25 + 0.2 * n)
        lighter = weight * half.to(device)
        first_look = starts(flow, coarse[0], coarse[1], lighter, shown, looking.part(0.0, 0.2))
        begun = [np.zeros((3, POWERS)), *(start.parameters for start in first_look[:BEGUN])]
        comparison = Comparison(flow, coarse, lighter, volume)
        tried = [
            comparison.minimised(
                start, TRIED, looking.part(0.2 + 0.1 * m, 0.3 + 0.1 * m), "Looking for the coarse motion"
            )
            for m, start in enumerate(begun)
        ]
        best = min(tried, key=lambda fitted: fitted.loss)
        halves.append(
            comparison.minimised(best.parameters, FOLLOWED, looking.part(0.5, 1.0), "Following the structure")
        )
    apart_mm = _distance_mm(flow, *(fitted.parameters for fitted in halves))
    disagreement = float(apart_mm[tuple(slice(n // 4, n - n // 4) for n in small)].mean())
    mean = np.mean([fitted.parameters for fitted in halves], axis=0)
    history: dict[str, list[float]] = {}
    parameters = np.concatenate([mean, np.zeros((3, flow.knots))], axis=1)

    shared = disagreement <= MOST_DISAGREEMENT_MM
    whole = Comparison(flow, coarse, weight, volume)
    for looked_at, description, steps, share in (
        ("coarse structure", coarse, COARSE_STEPS, progress.part(0.45, 0.65)),
        ("fine structure", fine, FINE_STEPS, progress.part(0.65, 0.95)),
    ):
        if shared:
            fitted = whole.of(description).minimised(
                parameters,
                steps,
                share,
                "Following the structure",
                lambda now: on_field(partial(_field, flow, now, shape)),
            )
            parameters = fitted.parameters
            history[looked_at] = list(fitted.history)
    there = flow.displacement(parameters)
    agreement = _agreement(warp(fine[0], there), fine[1], weight)
    followed = shared and agreement >= LEAST_AGREEMENT
    structure = SharedStructure(agreement, disagreement, followed)
    progress.report(0.95, "Following the structure")
    if not followed:
        progress.report(1.0)
        return FittedDeformation.still(shape, structure)
    error_mm = np.hypot(LEAST_ERROR_MM, ERROR_FOR_DISAGREEMENT * apart_mm).astype(np.float32)
    return FittedDeformation(
        _field(flow, parameters, shape, progress.part(0.95, 0.975)),
        _field(flow, -parameters, shape, progress.part(0.975, 1.0)),
        history,
        _resampled(torch.from_numpy(error_mm)[None, None], shape)[0, 0].numpy(),
        structure,
    )


def _field(
    flow: SmoothFlow, parameters: Array, shape: tuple[int, ...], progress: Progress = SILENT
) -> NDArray[np.float32]:
    """(k, j, i, 3) in voxels of a grid of another shape, by a cubic spline, which has no kinks."""
    places = np.meshgrid(*(np.linspace(0, n - 1, m) for n, m in zip(flow.shape, shape, strict=True)), indexing="ij")
    scale = [(m - 1) / max(n - 1, 1) for n, m in zip(reversed(flow.shape), reversed(shape), strict=True)]
    own = flow.displacement(parameters)[0].cpu().numpy()
    found = [
        map_coordinates(own[n], places, order=3, mode="nearest") * scale[n]
        for n in progress.steps(3, "Following the structure")
    ]
    return np.stack(found, axis=-1).astype(np.float32)


def _agreement(one: Tensor, other: Tensor, weight: Tensor) -> float:
    """Correlation over all channels, each less its own mean; 0 where either shows nothing."""
    share = weight / weight.sum()
    one, other = (x - (x * share).sum(dim=(2, 3, 4), keepdim=True) for x in (one, other))
    product, *squares = (float((x * share).sum()) for x in (one * other, one * one, other * other))
    return product / max(float(np.sqrt(squares[0] * squares[1])), 1e-9)


def _distance_mm(flow: SmoothFlow, one: Array, other: Array) -> Array:
    """How far two motions are from each other at each voxel, (k, j, i)."""
    apart = (flow.displacement(one) - flow.displacement(other))[0].cpu().numpy()
    return np.asarray(np.linalg.norm(np.moveaxis(apart, 0, -1) * flow.spacing_mm, axis=-1))


def _halves(flow: SmoothFlow) -> tuple[Tensor, Tensor]:
    """The white and the black blocks of a chessboard, each (1, 1, depth, height, width)."""
    colour = flow.blocks(BLOCK_MM).sum(axis=0) % 2
    white = torch.from_numpy(colour.astype(np.float32))[None, None]
    return white, 1 - white


def _described(images: Images, look: Look, shape: Sequence[int], device: str) -> tuple[Tensor, Tensor]:
    """The self-similarity of both pictures, blurred, on a grid of another shape."""
    steps, spacing = np.asarray(images.spacing_mm)[::-1], _spacing(images, shape)
    moving, fixed = (
        gaussian_filter(_clipped(picture, images.valid), look.blur_mm / steps, mode="nearest")
        for picture in (images.moving, images.fixed)
    )
    moving, fixed = (_resampled(torch.from_numpy(x)[None, None], shape)[0, 0].numpy() for x in (moving, fixed))
    described = partial(self_similarity, spacing_mm=spacing, patch_mm=look.patch_mm, reach_mm=look.reach_mm)
    return described(moving).to(device), described(fixed).to(device)


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
