"""Frames whose place the user knows better than the stitching does."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray


def pinned(x_px: NDArray[np.float64], pins_px: Mapping[int, float]) -> NDArray[np.float64]:
    """Places along the probe's shaft that hold what was pinned.

    The difference between a pin and what was found is spread linearly over the frames from one pin to the next, so
    that what lies between keeps its shape. Frame 0 stays where it was found unless it is pinned itself; after the last
    pin all frames move with it.

    Args:
        x_px: (n,) as found.
        pins_px: frame and its place.
    """
    if not pins_px:
        return x_px
    wanted = {0: float(x_px[0]), **pins_px}
    frames = sorted(wanted)
    differences = [wanted[t] - float(x_px[t]) for t in frames]
    moved = x_px + np.interp(np.arange(len(x_px)), frames, differences)
    moved[frames] = [wanted[t] for t in frames]
    return moved
