"""The forward diffusion of the fixed image: how much of it and how much noise there is at each time."""

from __future__ import annotations

import torch
from torch import Tensor, nn

STEPS = 2000


class NoiseSchedule(nn.Module):
    """The schedule of DiffuseMorph and FSDiffReg: 2000 steps with betas that rise linearly from 1e-6 to 1e-2.

    Attributes:
        signal: share of the image's amplitude that is left at each time, sqrt(alpha bar), (2000,).
        noise: standard deviation of the noise at each time, sqrt(1 - alpha bar), (2000,).
    """

    signal: Tensor
    noise: Tensor

    def __init__(self) -> None:
        super().__init__()
        kept = torch.cumprod(1 - torch.linspace(1e-6, 1e-2, STEPS, dtype=torch.float64), dim=0)
        self.register_buffer("signal", kept.sqrt().float(), persistent=False)
        self.register_buffer("noise", (1 - kept).sqrt().float(), persistent=False)

    def add_noise(self, image: Tensor, time: Tensor, noise: Tensor) -> Tensor:
        """The image (batch, ...) as it is at the times (batch,), integers in [0, 2000)."""
        shape = (-1, *[1] * (image.ndim - 1))
        return self.signal[time].view(shape) * image + self.noise[time].view(shape) * noise
