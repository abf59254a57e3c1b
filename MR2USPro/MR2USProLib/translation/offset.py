"""Where in the US a place of the MR is looked for while a pair is being translated.

Equation 13 compares voxel with voxel, so that a pair that is a few voxels out of place teaches the network to draw
both modalities where the pair has them, and the translated pictures agree best where they should not. Here the
texture is compared at the in-plane shift at which it agrees best, which is found again and again as the fit goes on.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from .losses import c7x7

MEMORY = 0.9
RELUCTANCE = 0.15


class Offset:
    """The shift between two pictures, by a running mean of their textures' difference at every shift within reach.

    Attributes:
        reach: largest shift, in voxels.
        difference: the running mean, for every shift; None before there is one.
        best: (rows, columns) by which the MR has to move, in voxels of the volume as it was given; (0, 0) where no
            agreement lies within reach.
    """

    def __init__(self, reach: int, difference: Tensor | None = None) -> None:
        self.best = (0, 0)
        self.reach = reach
        self._shifts = [(row, column) for row in range(-reach, reach + 1) for column in range(-reach, reach + 1)]
        # A distant shift has to be better by this share, or else noise would choose.
        distance = torch.tensor([float(row**2 + column**2) for row, column in self._shifts])
        self._handicap = 1 + RELUCTANCE * distance / max(reach, 1) ** 2
        self.difference: Tensor | None = None
        if difference is not None:
            self._choose(difference)

    def update(
        self, mr: Tensor, us: Tensor, valid: Tensor, flipped: Sequence[int] = (), transposed: bool = False
    ) -> None:
        """Learn from shallow features (slice, channel, height, width) of both translations.

        Args:
            mr: of the translated MR.
            us: of the translated US.
            valid: (slice, 1, height, width), bool.
            flipped: axes along which both are mirrored, by which a shift changes its sign.
            transposed: whether rows and columns were exchanged before that.
        """
        if len(self._shifts) == 1:
            return
        with torch.no_grad():
            found = _differences(c7x7(mr), c7x7(us), valid, self.reach)
        rows, columns = zip(*(_mirrored(shift, flipped, transposed) for shift in self._shifts), strict=True)
        difference = found[list(rows), list(columns)].cpu()
        if self.difference is not None:
            difference = MEMORY * self.difference + (1 - MEMORY) * difference
        self._choose(difference)

    def _choose(self, difference: Tensor) -> None:
        self.difference = difference
        best = self._shifts[int((difference * self._handicap).argmin())]
        # Least at the rim means that the difference still falls there: no agreement was found, only a slope.
        self.best = best if max(map(abs, best)) < self.reach else (0, 0)

    def matched(
        self, mr: Tensor, us: Tensor, valid: Tensor, flipped: Sequence[int] = (), transposed: bool = False
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The parts of both pictures, and of the mask, that lie on each other at the best shift."""
        return _overlap(mr, us, valid, _mirrored(self.best, flipped, transposed))


def _differences(mr: Tensor, us: Tensor, valid: Tensor, reach: int) -> Tensor:
    """Mean squared difference where both are valid, for every shift up to ``reach`` at once.

    The square is multiplied out, and each of its terms is a correlation, which costs a Fourier transform.

    Returns:
        (rows, columns) of shifts; negative ones stand at negative indices.
    """
    size = (mr.shape[-2] + reach, mr.shape[-1] + reach)
    weight = valid.to(mr.dtype)

    def spectrum(x: Tensor) -> Tensor:
        return torch.fft.rfft2(x, s=size)

    def correlation(a: Tensor, b: Tensor) -> Tensor:
        return torch.fft.irfft2((a.conj() * b).sum(dim=(0, 1)), s=size)

    inside = spectrum(weight)
    squares_mr, squares_us = (spectrum((x**2 * weight).sum(dim=1, keepdim=True)) for x in (mr, us))
    product = correlation(spectrum(mr * weight), spectrum(us * weight))
    total = correlation(squares_mr, inside) + correlation(inside, squares_us) - 2 * product
    return total / (correlation(inside, inside) * mr.shape[1]).clamp(min=1)


def _mirrored(shift: tuple[int, int], flipped: Sequence[int], transposed: bool) -> tuple[int, int]:
    if transposed:
        shift = (shift[1], shift[0])
    return (-shift[0] if 2 in flipped else shift[0], -shift[1] if 3 in flipped else shift[1])


def _overlap(mr: Tensor, us: Tensor, valid: Tensor, shift: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor]:
    """A voxel of the MR at x meets the one of the US at x + shift."""
    back = (-shift[0], -shift[1])
    return _cut(mr, back), _cut(us, shift), _cut(valid, back) & _cut(valid, shift)


def _cut(x: Tensor, shift: tuple[int, int]) -> Tensor:
    height, width = x.shape[-2:]
    return x[..., max(0, shift[0]) : height + min(0, shift[0]), max(0, shift[1]) : width + min(0, shift[1])]
