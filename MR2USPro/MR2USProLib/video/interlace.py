"""Interlaced video: its even and odd rows were taken at different moments, so that what moves shows combs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SAMPLE = 24

COMB = 1.2
"""From this on, rows differ so much more from their neighbours than from the rows after next that they are combs."""


def comb(view: NDArray[np.uint8]) -> float:
    """By how much rows differ from the next ones, in units of how they differ from the ones after next.

    About 1 for noise, less for echoes, which are smooth over a few rows, and above 1 for combs.

    Args:
        view: uint8 (frame, row, column).
    """
    chosen = np.unique(np.linspace(0, len(view) - 1, min(len(view), SAMPLE)).astype(int))
    ratios = []
    for picture in view[chosen].astype(np.float32):
        next_rows = np.abs(picture[2:-2] - (picture[1:-3] + picture[3:-1]) / 2)
        after_next = np.abs(picture[2:-2] - (picture[:-4] + picture[4:]) / 2)
        ratios.append(float(next_rows.sum() / max(after_next.sum(), 1e-6)))
    return float(np.median(ratios))


def deinterlaced(view: NDArray[np.uint8], first_row: int) -> NDArray[np.uint8]:
    """A view of the even rows alone, the odd ones taken from their neighbours.

    Half of the resolution along the beam is lost, where the picture has most of it, and nothing across it, where the
    probe moves.

    Args:
        view: uint8 (frame, row, column).
        first_row: of the view in the whole picture, whose even rows count.
    """
    odd = np.arange(1 - first_row % 2, view.shape[1], 2)
    above, below = np.abs(odd - 1), np.where(odd + 1 < view.shape[1], odd + 1, odd - 1)
    clean = view.copy()
    clean[:, odd] = ((view[:, above].astype(np.uint16) + view[:, below] + 1) // 2).astype(np.uint8)
    return clean
