"""What a registration network is given and what it gives: a pair of images, and a deformation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..errors import InputError


@dataclass(frozen=True)
class Images:
    """One pair on the networks' grid.

    Attributes:
        moving: (k, j, i) MR in [-1, 1], translated or not.
        fixed: (k, j, i) TRUS in [-1, 1] on the same grid, likewise.
        valid: (k, j, i), where both pictures show something; only there are they compared.
        spacing_mm: voxel size along (i, j, k).
    """

    moving: NDArray[np.float32]
    fixed: NDArray[np.float32]
    valid: NDArray[np.bool_]
    spacing_mm: Sequence[float]

    def __post_init__(self) -> None:
        if not self.moving.shape == self.fixed.shape == self.valid.shape:
            raise ValueError(f"{self.moving.shape}, {self.fixed.shape} and {self.valid.shape} are no pair.")
        if not self.valid.any():
            raise InputError("The fixed image shows nothing in the region to register: choose another region or start.")

    def filled(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Both pictures with their own mean where nothing is valid, which tells a network of no edge there."""
        moving, fixed = (np.where(self.valid, x, x[self.valid].mean()) for x in (self.moving, self.fixed))
        return moving, fixed


@dataclass(frozen=True)
class SharedStructure:
    """What both pictures were found to show alike.

    Attributes:
        agreement: correlation of the descriptions of both pictures behind the fit, -1 to 1.
        disagreement_mm: mean distance, in the middle of the region, of the coarse motions that its two halves gave.
        followed: whether the one is large and the other small enough for the MR to be moved by it.
        parts_glands: whether it was not followed although they are, because the glands would lie worse than before.
    """

    agreement: float
    disagreement_mm: float
    followed: bool
    parts_glands: bool = False


@dataclass(frozen=True)
class FittedDeformation:
    """What a registration found.

    Attributes:
        displacement: (k, j, i, 3) float32 in voxels along (i, j, k), fixed to moving: the warped image at x is the
            moving image at x + u(x).
        inverse: the same for the way back, moving to fixed.
        history: a value of each term of the loss for each iteration; empty where nothing was fitted.
        uncertainty_mm: (k, j, i) float32, of the displacement; None where the method knows none.
        structure: what the original pictures share; None where nobody looked.
    """

    displacement: NDArray[np.float32]
    inverse: NDArray[np.float32]
    history: dict[str, list[float]] = field(default_factory=dict)
    uncertainty_mm: NDArray[np.float32] | None = None
    structure: SharedStructure | None = None

    @staticmethod
    def still(shape: Sequence[int], structure: SharedStructure | None = None) -> FittedDeformation:
        """None at all, on a grid of (k, j, i)."""
        nowhere = np.zeros((*shape, 3), np.float32)
        return FittedDeformation(nowhere, nowhere, structure=structure)


def to_tensor(image: NDArray, unit: int, mode: Literal["edge", "constant"] = "edge") -> Tensor:
    """(1, 1, depth, height, width), grown at its far ends to multiples of ``unit``."""
    padded = np.pad(image.astype(np.float32), [(0, -n % unit) for n in image.shape], mode=mode)
    return torch.from_numpy(padded)[None, None]


def to_array(displacement: Tensor, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """The first field of a batch as (k, j, i, 3), without what :func:`to_tensor` added."""
    field_kji = displacement[0].permute(1, 2, 3, 0)[: shape[0], : shape[1], : shape[2]]
    return np.ascontiguousarray(field_kji.float().cpu().numpy())
