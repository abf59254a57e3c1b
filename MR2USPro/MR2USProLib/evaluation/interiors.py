"""What the registration needs of a translated pair: glands that look alike inside, and darker than their rim."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

RIM_MM = 3.0
BINS = 32


@dataclass(frozen=True)
class Interiors:
    """Two glands in one modality.

    Attributes:
        alike: overlap of the grey levels inside, 1 the same histogram, 0 nothing in common.
        darker_mr, darker_us: mean of the rim less mean of the inside, in grey levels of [-1, 1]; above 0 the inside is
            darker, as equation 15 takes it to be.
    """

    alike: float
    darker_mr: float
    darker_us: float


def interiors(
    mr: NDArray[np.float32],
    us: NDArray[np.float32],
    gland_mr: NDArray[np.bool_],
    gland_us: NDArray[np.bool_],
    valid: NDArray[np.bool_],
    spacing_mm: Sequence[float],
) -> Interiors:
    """Compare the insides of two glands.

    Args:
        mr: (k, j, i) in [-1, 1].
        us: likewise.
        gland_mr: (k, j, i), the gland in the MR.
        gland_us: the gland in the US.
        valid: (k, j, i), where the pictures are real.
        spacing_mm: along (i, j, k).

    Raises:
        ValueError: a gland of which nothing is valid.
    """
    histograms, darker = [], []
    for picture, gland in ((mr, gland_mr), (us, gland_us)):
        inside, rim = gland & valid, around(gland, spacing_mm) & valid
        if not inside.any() or not rim.any():
            raise ValueError("Nothing of the gland is valid.")
        counts, _ = np.histogram(picture[inside], BINS, (-1, 1))
        histograms.append(counts / counts.sum())
        darker.append(float(picture[rim].mean() - picture[inside].mean()))
    return Interiors(float(np.minimum(*histograms).sum()), *darker)


def around(gland: NDArray[np.bool_], spacing_mm: Sequence[float]) -> NDArray[np.bool_]:
    """The shell within 3 mm of the gland's border, on both sides of it."""
    sampling = tuple(reversed(spacing_mm))
    outside, inside = distance_transform_edt(~gland, sampling), distance_transform_edt(gland, sampling)
    return (outside <= RIM_MM) & (inside <= RIM_MM)
