"""What a place looks like to itself: a description of a picture that does not depend on the modality."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, shift
from torch import Tensor

CONTRAST_LIMITS = 1e-3, 1e3
"""Of a voxel's mean distance between patches, in units of the picture's: flat tissue must not become texture."""


def self_similarity(
    picture: NDArray[np.float32], spacing_mm: Sequence[float], *, patch_mm: float, reach_mm: float
) -> Tensor:
    """MIND with the self-similarity context (Heinrich et al., MICCAI 2013), (1, 12, depth, height, width) in [0, 1].

    With P_a the patch at the neighbour a of a voxel, one of six at the distance ``reach_mm``, a channel holds for each
    pair (a, b) of neighbours that touch

        S_ab = exp(-(D_ab - min D) / V),    D_ab = |P_a - P_b|^2,

    with V the mean of D - min D over the twelve pairs. Neither a change of brightness nor an inversion of the contrast
    alters it, so that two modalities are compared by plain differences.

    Args:
        picture: (k, j, i).
        spacing_mm: voxel size along (i, j, k).
        patch_mm: standard deviation of the Gaussian patches that are compared.
        reach_mm: how far from a voxel they lie.
    """
    steps = np.asarray(spacing_mm, dtype=np.float64)[::-1]
    # Whole voxels, for speed.
    reach = np.maximum(np.rint(reach_mm / steps), 1)
    sides = [sign * reach * np.eye(3)[axis] for axis in range(3) for sign in (-1, 1)]
    seen = [shift(picture, -side, order=0, mode="nearest") for side in sides]
    distances = np.stack(
        [
            gaussian_filter((seen[a] - seen[b]) ** 2, patch_mm / steps, mode="nearest")
            for a, b in combinations(range(6), 2)
            if a // 2 != b // 2  # opposite neighbours do not touch
        ]
    )
    distances -= distances.min(axis=0)
    spread = distances.mean(axis=0)
    low, high = (limit * max(float(spread.mean()), 1e-12) for limit in CONTRAST_LIMITS)
    return torch.from_numpy(np.exp(-distances / np.clip(spread, low, high)).astype(np.float32))[None]
