"""A small network that sees the gland in the MR, and where its middle is.

The middle of a box is that of the gland's extent: a single drawn slice at apex or base moves it by millimetres. The
centre of mass of what a network takes for the gland does not hang on it. The network is a U-Net on 24x24x24 voxels of
3.6 mm, fine enough for a centre of mass and learned in minutes on one core (:mod:`.gland_network_training`).

In the TRUS none of this helps: its field ends within many a gland, and even a network that learned from outlines did
not find the centre along the probe. There the box is what is known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from .finder import Picture

Array = NDArray[np.float64]

VOXELS = 24
VOXEL_MM = 3.6
CHANNELS = 16
SURELY_OUTSIDE, SURELY_INSIDE = 0.2, 0.8
"""Probabilities between which a voxel counts in part."""
LEAST_GLAND_ML = 3.0
"""Less than that is nothing seen."""
LARGEST_STEP_MM = 2.0
"""Along each axis, before it is weighted: a corrected box is hardly ever farther off; a network that says so errs."""

_STEPS_MM = (np.arange(VOXELS) - (VOXELS - 1) / 2) * VOXEL_MM
LATTICE_MM = np.stack(np.meshgrid(*[_STEPS_MM] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
"""(voxels, 3), where the network looks, about the middle."""


def _layer(channels_in: int, channels: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv3d(channels_in, channels, 3, stride, padding=1),
        nn.InstanceNorm3d(channels, affine=True),
        nn.LeakyReLU(0.1),
    )


def _larger(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2, mode="trilinear", align_corners=False)


class GlandNetwork(nn.Module):
    """A U-Net of three levels that computes at half the resolution and coarser, where convolutions are cheap."""

    def __init__(self) -> None:
        super().__init__()
        c = CHANNELS
        self.fine = nn.Sequential(_layer(1, c, 2), _layer(c, c))
        self.middle = nn.Sequential(_layer(c, 2 * c, 2), _layer(2 * c, 2 * c))
        self.coarse = nn.Sequential(_layer(2 * c, 3 * c, 2), _layer(3 * c, 3 * c))
        self.up_middle = nn.Sequential(_layer(5 * c, 2 * c), _layer(2 * c, 2 * c))
        self.up_fine = _layer(3 * c, c)
        self.head = nn.Conv3d(c, 8, 3, padding=1)

    def forward(self, looks: Tensor) -> Tensor:
        """(batch, 1, 24, 24, 24) to logits of the same shape."""
        fine = self.fine(looks)
        middle = self.middle(fine)
        middle = self.up_middle(torch.cat([_larger(self.coarse(middle)), middle], dim=1))
        eight: Tensor = self.head(self.up_fine(torch.cat([_larger(middle), fine], dim=1)))
        parts = eight.unflatten(1, (1, 2, 2, 2)).permute(0, 1, 5, 2, 6, 3, 7, 4)  # each voxel's eight octants
        return parts.flatten(6, 7).flatten(4, 5).flatten(2, 3)


def look(picture: Picture, middle: Array, axes: Array) -> NDArray[np.float32]:
    """The picture on the network's lattice about a middle, (24, 24, 24).

    Args:
        picture: of the MR.
        middle: (3,) mm, along the world.
        axes: (3, 3), those of the lattice as columns.
    """
    return picture.sharp_at(middle + LATTICE_MM @ axes.T).reshape((VOXELS,) * 3).astype(np.float32)


def both_looks(picture: Picture, middle: Array, axes: Array, mirror: int) -> tuple[Tensor, Tensor]:
    """The picture and its mirror image as networks take them, (1, 1, 24, 24, 24) each.

    Args:
        picture: of the MR.
        middle: (3,) mm, along the world.
        axes: (3, 3), those of the lattice as columns.
        mirror: which of them is mirrored.
    """
    straight, mirrored = (torch.from_numpy(look(picture, middle, axes * f))[None, None] for f in _flips(mirror))
    return straight, mirrored


def _flips(mirror: int) -> tuple[Array, Array]:
    """What the axes are multiplied by to look straight, and mirrored."""
    return np.ones(3), np.where(np.arange(3) == mirror, -1.0, 1.0)


def centre_seen(network: GlandNetwork, both: tuple[Tensor, Tensor], mirror: int) -> Array | None:
    """Where the centre of the gland is along the looks' axes, against their middle, (3,) mm; None if none is seen.

    It is the mean of what the picture and its mirror image say.
    """
    found = np.zeros(3)
    for seen, flip in zip(both, _flips(mirror), strict=True):
        with torch.no_grad():
            probability = network(seen).sigmoid().numpy().ravel()
        inside = np.clip((probability - SURELY_OUTSIDE) / (SURELY_INSIDE - SURELY_OUTSIDE), 0.0, 1.0)
        if inside.sum() * VOXEL_MM**3 < LEAST_GLAND_ML * 1000:
            return None
        found += flip * (inside @ LATTICE_MM) / inside.sum() / 2
    return found


@dataclass(frozen=True)
class GlandSight:
    """What a cohort taught about where the gland is in the MR.

    Attributes:
        networks: each learned from another part of the cohort.
        bias: (3,) mm, by how much they were off on average where they had not learned.
        weight: how far they are followed, 0 to 1.
    """

    networks: Sequence[GlandNetwork]
    bias: Array
    weight: float

    def step(self, picture: Picture, middle: Array, axes: Array, mirror: int) -> Array:
        """How far to move the middle of the gland along ``axes``, (3,) mm.

        Args:
            picture: of the MR.
            middle: (3,) mm, where the box has it, along ``axes``.
            axes: (3, 3), the axes as columns.
            mirror: the axis along which the anatomy is its own mirror image.
        """
        both = both_looks(picture, axes @ middle, axes, mirror)
        centres = (centre_seen(network, both, mirror) for network in self.networks)
        seen = [centre for centre in centres if centre is not None]
        if not seen:
            return np.zeros(3)
        return self.weight * np.clip(np.mean(seen, axis=0) - self.bias, -LARGEST_STEP_MM, LARGEST_STEP_MM)
