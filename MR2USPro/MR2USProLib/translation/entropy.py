"""An estimate of the entropy H(x_t, x_1) in the bridge's loss (paper, equations 3, 5 and 6).

The paper names no estimator. UNSB trains a critic of its own for a term whose weight 2 sigma (1 - t) never exceeds
0.02. Here H is the differential entropy of the Gaussian that has the covariance of small joint patches: closed form,
differentiable, and never below the true entropy of such patches, as the Gaussian has the most entropy of all laws with
one covariance. It rewards contrast in x_1 that x_t does not already hold, and nothing else; it is no guard against
collapse.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from .masking import eroded, neutral_outside

PATCH = 3
FLOOR = 0.05


def gaussian_patch_entropy(x_t: Tensor, x_1: Tensor, valid: Tensor | None = None) -> Tensor:
    """Entropy per voxel of the joint 3x3 patches of ``x_t`` and ``x_1``, in nats.

    The patches are seen through white noise of standard deviation ``FLOOR``: without it the entropy of two equal
    pictures would be minus infinity.

    Args:
        x_t: (slice, 1, height, width), the state.
        x_1: (slice, 1, height, width), the prediction from it.
        valid: (slice, 1, height, width), bool; only patches that lie wholly inside count.
    """
    joint = torch.cat([neutral_outside(x_t, valid), neutral_outside(x_1, valid)], dim=1)
    patches = F.unfold(joint, PATCH).transpose(1, 2)
    if valid is None:
        patches = patches.flatten(0, 1)
    else:
        margin = PATCH // 2
        patches = patches[eroded(valid, margin)[:, 0, margin:-margin, margin:-margin].flatten(1)]
    size = patches.shape[1]
    covariance = torch.eye(size, device=x_1.device, dtype=x_1.dtype) * FLOOR**2
    if patches.shape[0] > 1:
        centred = patches - patches.mean(dim=0)
        covariance = covariance + centred.T @ centred / patches.shape[0]
    return 0.5 * torch.logdet(covariance) / size + 0.5 * math.log(2 * math.pi * math.e)
