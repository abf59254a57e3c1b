"""How sure a registration is: how far its field moves when its diffusion is given other noise."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from ..progress import SILENT, Progress
from .diffusion import STEPS
from .pair import Images, to_tensor
from .training import Trained

SAMPLES = 8


def spread_mm(
    trained: Trained,
    images: Images,
    *,
    samples: int = SAMPLES,
    seed: int = 0,
    device: str = "cpu",
    progress: Progress = SILENT,
) -> NDArray[np.float32] | None:
    """Standard deviation of the displacement over samples of the diffusion; None where the method has no diffusion.

    Each sample is the field that the network gives when the fixed picture in its third slot is noised, as it is in
    training, at one of times that are spread evenly over the whole diffusion. What the network leans on in that slot
    is then missing, so the field stays only where the rest of the pair holds it. It tells where the field is loosely
    held, not how wrong the pictures are: an error that all samples share is not in it.

    Args:
        trained: the network.
        images: the pair.
        samples: how many, even.
        seed: of times and noise.
        device: of the network.
        progress: told about every second sample.

    Returns:
        (k, j, i), the root of the summed variances of the three components, mm.

    Raises:
        Cancelled: the user asked to stop.
    """
    method, network = trained.method, trained.network
    if not method.samples:
        return None
    moving, fixed = (to_tensor(x, method.unit).to(device).expand(2, -1, -1, -1, -1) for x in images.filled())
    spacing = torch.tensor(list(images.spacing_mm), dtype=torch.float32, device=device).view(1, 3, 1, 1, 1)
    random = torch.Generator().manual_seed(seed)
    times = (torch.arange(samples) + torch.rand(samples, generator=random)) * STEPS / samples
    schedule = method.schedule.to(device)
    fields = []
    network.eval()
    with torch.no_grad():
        for n in progress.steps(samples // 2, "Sampling the diffusion"):
            time = times[2 * n : 2 * n + 2].long().to(device)
            noise = torch.randn(fixed.shape, generator=random).to(device)
            found = method.displacement(network, moving, fixed, schedule.add_noise(fixed, time, noise), time)
            fields.append(found * spacing)
    spread = torch.cat(fields).var(dim=0).sum(dim=0).sqrt()
    k, j, i = images.fixed.shape
    return np.ascontiguousarray(spread[:k, :j, :i].float().cpu().numpy())
