"""The pairs that a translation is learned from: one patient's or many, prepared and drawn from alike."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from ..errors import InputError
from .masking import normalised

SMALLEST_PLANE = 16


@dataclass(frozen=True)
class Example:
    """One pair on one grid, roughly aligned: equation 13 compares voxel with voxel.

    Attributes:
        mr: (k, j, i), any intensities.
        us: (k, j, i), likewise.
        valid: (k, j, i), true where both are real.
    """

    mr: ArrayLike
    us: ArrayLike
    valid: NDArray[np.bool_]


@dataclass(frozen=True)
class Augmentation:
    """How pictures are varied while a network learns from them.

    Mirroring is always on. It does more than multiply the data: it turns a misalignment of a pair around with it, so
    that the network cannot learn to close it by moving tissue one way.

    Attributes:
        turn: whether rows and columns are exchanged half of the time, which with the mirroring gives quarter turns.
        scale: largest relative change of size.
        gamma: largest logarithm of the exponent that bends the grey levels, drawn for MR and US apart.
    """

    turn: bool = False
    scale: float = 0.0
    gamma: float = 0.0


ALONE = Augmentation()
"""One pair, which is only to be fitted itself, is mirrored."""

COHORT = Augmentation(turn=True, scale=0.1, gamma=0.25)
"""Many pairs are varied in every way, so that other patients look familiar."""


@dataclass(frozen=True)
class Prepared:
    """A pair as stacks of slices (slice, 1, height, width) in [-1, 1], rows and columns multiples of 4.

    Attributes:
        mr, us: the pictures; what is not valid is their mean.
        valid: bool.
        shape: (k, j, i) before rows and columns grew.
    """

    mr: Tensor
    us: Tensor
    valid: Tensor
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Batch:
    """Neighbouring slices of one pair, varied alike.

    Attributes:
        mr, us, valid: (slice, 1, height, width).
        case: which pair of the cohort.
        flipped: the axes along which they were mirrored.
        transposed: whether rows and columns were exchanged before.
    """

    mr: Tensor
    us: Tensor
    valid: Tensor
    case: int
    flipped: tuple[int, ...]
    transposed: bool


def prepare(example: Example, device: str = "cpu") -> Prepared:
    """Bring a pair into the form in which networks see it.

    Raises:
        InputError: shapes that differ, too few voxels, or a picture without contrast.
    """
    sources = [np.asarray(picture, dtype=np.float32) for picture in (example.mr, example.us)]
    valid = np.asarray(example.valid, dtype=np.bool_)
    if not sources[0].shape == sources[1].shape == valid.shape or valid.ndim != 3:
        raise InputError("MR, US and their valid part differ in shape: resample them to one grid.")
    if min(valid.shape[1:]) < SMALLEST_PLANE:
        raise InputError(
            f"Slices of {valid.shape[1]}x{valid.shape[2]} voxels are too small to translate: "
            f"use a grid with at least {SMALLEST_PLANE} rows and columns."
        )
    mr, us, inside = (_stack(array, device) for array in (*(normalised(a, valid) for a in sources), valid))
    return Prepared(mr, us, inside, valid.shape)


def draw(cohort: Sequence[Prepared], count: int, how: Augmentation, generator: torch.Generator) -> Batch:
    """Some neighbouring slices of a random pair, mirrored along random axes and varied as told.

    Args:
        cohort: the pairs.
        count: slices, fewer where a pair has fewer.
        how: what is varied.
        generator: draws, on the CPU.
    """
    which = int(torch.randint(len(cohort), (1,), generator=generator))
    pair = cohort[which]
    count = min(count, pair.valid.shape[0])
    first = int(torch.randint(pair.valid.shape[0] - count + 1, (1,), generator=generator))
    mr, us, valid = (x[first : first + count] for x in (pair.mr, pair.us, pair.valid))
    if how.gamma:
        mr, us = (_bent(x, how.gamma * _symmetric(generator)) for x in (mr, us))
    if how.scale:
        factor = 1 + how.scale * _symmetric(generator)
        mr, us, valid = _zoomed(mr, factor), _zoomed(us, factor), _zoomed(valid.float(), factor) > 0.999
    transposed = how.turn and torch.rand(1, generator=generator).item() < 0.5
    if transposed:
        mr, us, valid = (x.transpose(2, 3) for x in (mr, us, valid))
    flipped = tuple(axis for axis in (0, 2, 3) if torch.rand(1, generator=generator).item() < 0.5)
    mr, us, valid = (x.flip(flipped) for x in (mr, us, valid))
    return Batch(mr, us, valid, which, flipped, transposed)


def _symmetric(generator: torch.Generator) -> float:
    return 2 * torch.rand(1, generator=generator).item() - 1


def _bent(x: Tensor, logarithm: float) -> Tensor:
    """Grey levels in [-1, 1] through a power law that keeps both ends."""
    return 2 * ((x + 1) / 2).clamp(0, 1) ** math.exp(logarithm) - 1


def _zoomed(x: Tensor, factor: float) -> Tensor:
    """Larger by the factor about the middle, on the same grid; what comes in from outside is 0."""
    affine = torch.tensor([[1 / factor, 0.0, 0.0], [0.0, 1 / factor, 0.0]], device=x.device)
    grid = F.affine_grid(affine.expand(len(x), 2, 3), list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, align_corners=False)


def _stack(array: NDArray, device: str) -> Tensor:
    """(k, j, i) to (slice, 1, height, width); rows and columns grow to multiples of 4, which no mask holds."""
    stack = torch.from_numpy(np.ascontiguousarray(array))[:, None]
    rows, columns = stack.shape[-2:]
    return F.pad(stack, (0, -columns % 4, 0, -rows % 4)).to(device)
