"""UNSB's networks that judge: the patch discriminator and the energy network, of one architecture."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..networks.resampling import BlurDown
from ..networks.time_embedding import TimeEmbedding
from .masking import masked_mean


class PatchCritic(nn.Module):
    """A PatchGAN that knows the time (UNSB): 4x4 convolutions with blurred halvings, and a map of answers.

    With 64 channels and three halvings it has 3.14 million weights and answers for patches of about 70x70 voxels.
    UNSB adds the time to each convolution before its normalisation, which takes a constant per channel away again;
    here it comes after.

    Args:
        pictures: channels of what is judged: 1 for a discriminator, 4 for the energy of two pairs (x_t, x_1).
        channels: of the first layer. UNSB has 64.
        halvings: of the resolution. UNSB has 3.
    """

    def __init__(self, pictures: int = 1, channels: int = 64, halvings: int = 3) -> None:
        super().__init__()
        self.mixed = False
        size = 4 * channels
        self.time = TimeEmbedding(size, size)
        widths = [channels * 2 ** min(n, 3) for n in range(halvings + 1)]
        self.convolutions = nn.ModuleList(
            nn.Conv2d(inward, outward, 4, padding=1)
            for inward, outward in zip([pictures, *widths], widths, strict=False)
        )
        self.times = nn.ModuleList(nn.Linear(size, width) for width in widths)
        self.halve = BlurDown()
        self.head = nn.Conv2d(widths[-1], 1, 4, padding=1)

    def forward(self, x: Tensor, index: int) -> Tensor:
        """(slice, pictures, height, width) at a time of the bridge to (slice, 1, h, w), unbounded."""
        with torch.autocast(x.device.type, torch.bfloat16, enabled=self.mixed):
            time = self.time(torch.full((x.shape[0],), index, device=x.device))
            for n, (convolve, shift) in enumerate(zip(self.convolutions, self.times, strict=True)):
                x = convolve(x)
                if n > 0:
                    x = F.instance_norm(x)
                x = F.leaky_relu(x + shift(time)[:, :, None, None], 0.2)
                if n < len(self.convolutions) - 1:
                    x = self.halve(x)
            return self.head(x).float()


def judged(answers: Tensor, valid: Tensor) -> Tensor:
    """Which answers of a critic count: those for places where most of the picture is real.

    Args:
        answers: (slice, 1, h, w).
        valid: (slice, 1, height, width), bool.
    """
    return F.adaptive_avg_pool2d(valid.float(), (answers.shape[-2], answers.shape[-1])) > 0.5


def least_squares(answers: Tensor, wanted: float, valid: Tensor) -> Tensor:
    """LSGAN (Mao et al. 2017): the mean squared distance of the answers from what they should be."""
    return masked_mean((answers - wanted) ** 2, judged(answers, valid))


def donsker_varadhan(joint: Tensor, independent: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    """The two parts of UNSB's bound on I(a; a) = H(a), a = (x_t, x_1): mean E(a, a) and log sum exp E(a, b).

    Args:
        joint: (slice, 1, h, w), the energy of a with itself.
        independent: the energy of a with an independent b.
        valid: (slice, 1, height, width), bool.
    """
    there = judged(independent, valid)
    partition = independent.masked_fill(~there, -torch.inf) if there.any() else independent
    return masked_mean(joint, judged(joint, valid)), torch.logsumexp(partition.flatten(), dim=0)


@contextmanager
def frozen(network: nn.Module) -> Iterator[None]:
    """The network judges but does not learn: no gradient for its weights, those for its input flow."""
    network.requires_grad_(False)
    try:
        yield
    finally:
        network.requires_grad_(True)
