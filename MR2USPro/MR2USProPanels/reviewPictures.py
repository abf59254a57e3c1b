"""Pictures that show two volumes in one: checkerboard and curtain.

Arrays are (k, j, i) on one grid. They are plain numpy, so that a slider can be dragged.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Gray = NDArray[np.uint8]


def windowed(array: NDArray[Any], low: float, high: float) -> Gray:
    """Brightness as shown: ``low`` and less becomes 0, ``high`` and more 255."""
    scale = np.float32(255.0 / max(high - low, 1e-12))
    return np.clip((array.astype(np.float32) - np.float32(low)) * scale, 0, 255).astype(np.uint8)


def checkerboard(first: Gray, second: Gray, spacingMm: Sequence[float], tileMm: float, out: Gray | None = None) -> Gray:
    """Tiles of two pictures in turn.

    The tiles are cubes counted from the volume's outer edge; the one at its first corner shows ``first``.

    Args:
        first: (k, j, i).
        second: likewise.
        spacingMm: of (i, j, k).
        tileMm: edge of a tile.
        out: where to put the result.
    """
    tiles = [
        np.floor((np.arange(n) + 0.5) * spacing / tileMm).astype(np.int64) % 2 == 1
        for n, spacing in zip(first.shape, tuple(spacingMm)[::-1], strict=True)
    ]
    odd = tiles[0][:, None, None] ^ tiles[1][None, :, None] ^ tiles[2][None, None, :]
    result = np.empty_like(first) if out is None else out
    np.copyto(result, first)
    np.copyto(result, second, where=odd)
    return result


def curtain(first: Gray, second: Gray, share: float, axis: int, out: Gray | None = None) -> Gray:
    """One picture up to a plane and the other beyond it.

    Args:
        first: (k, j, i), shown up to the plane.
        second: likewise, shown beyond it.
        share: where the plane lies, in [0, 1] along the axis.
        axis: array axis across which the curtain is drawn: 0, 1 or 2 for k, j or i.
        out: where to put the result.
    """
    result = np.empty_like(first) if out is None else out
    edge = round(min(max(share, 0.0), 1.0) * first.shape[axis])
    ahead = tuple(slice(None, edge) if a == axis else slice(None) for a in range(3))
    beyond = tuple(slice(edge, None) if a == axis else slice(None) for a in range(3))
    result[ahead], result[beyond] = first[ahead], second[beyond]
    return result
