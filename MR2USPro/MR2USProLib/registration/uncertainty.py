"""How sure a registration is: how far its field moves under other noise, and how loosely the pictures hold it."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates

from ..progress import SILENT, Progress
from .diffusion import STEPS
from .pair import Images, to_tensor
from .training import Trained

SAMPLES = 8
PRIOR_MM = 2.0
"""How far a component of the displacement is expected to be from 0 where the pictures say nothing."""
WINDOW_VOXELS = 2.0
"""Standard deviation of the Gaussian window in which the pictures are taken to move as one."""
INDEPENDENT = 8.0
"""How many values in a window err independently of each other: translated pictures differ in blobs."""
LEAST_NOISE = 0.05
"""Differences of pictures, in units of their spread, are at least so large."""


def uncertainty_mm(
    trained: Trained,
    images: Images,
    displacement: NDArray[np.float32],
    *,
    seed: int = 0,
    device: str = "cpu",
    progress: Progress = SILENT,
) -> NDArray[np.float32] | None:
    """Standard deviation of a registration's displacement in mm, (k, j, i); None where the method has no diffusion.

    The variances of :func:`spread_mm` and of :func:`looseness_mm` add up: the first is what the network does not know
    of its own answer, the second what no network could know of it.

    Args:
        trained: the network.
        images: the pair.
        displacement: what the network gave, (k, j, i, 3) in voxels along (i, j, k).
        seed: of the samples.
        device: of the network.
        progress: told about the samples.

    Raises:
        Cancelled: the user asked to stop.
    """
    spread = spread_mm(trained, images, seed=seed, device=device, progress=progress)
    return None if spread is None else np.hypot(spread, looseness_mm(images, displacement))


def looseness_mm(images: Images, displacement: NDArray[np.float32]) -> NDArray[np.float32]:
    """How loosely two pictures hold the displacement between them: its posterior standard deviation, (k, j, i), mm.

    For a small shift s of a window, the difference of the pictures changes by g s, with g the gradient of the warped
    picture. With differences of variance v and a normal prior on s, the covariance of s is (n mean(g g^T) / v + I /
    prior^2)^-1: flat tissue leaves every direction open, and an edge the two directions along it (the aperture
    problem).

    Args:
        images: the pair.
        displacement: (k, j, i, 3) in voxels along (i, j, k).
    """
    valid = images.valid
    at = np.indices(valid.shape, dtype=np.float32) + np.moveaxis(displacement, -1, 0)[::-1]
    moving, fixed = (
        (picture - picture[valid].mean()) / max(float(picture[valid].std()), 1e-6)
        for picture in (map_coordinates(images.moving, at, order=1, mode="nearest"), images.fixed)
    )
    differences = np.where(valid, moving - fixed, 0.0) ** 2
    share = np.maximum(gaussian_filter(valid.astype(np.float64), WINDOW_VOXELS), 1e-6)
    noise = np.maximum(gaussian_filter(differences, WINDOW_VOXELS) / share, LEAST_NOISE**2)
    slopes = np.gradient(gaussian_filter(moving, 1.0), *reversed([float(s) for s in images.spacing_mm]))
    gradient = np.where(valid[..., None], np.stack(slopes[::-1], axis=-1), 0.0)
    precision = np.empty((*valid.shape, 3, 3))
    for n in range(3):
        for m in range(n + 1):
            together = gaussian_filter(gradient[..., n] * gradient[..., m], WINDOW_VOXELS)
            precision[..., n, m] = precision[..., m, n] = INDEPENDENT * together / noise
    precision += np.eye(3) / PRIOR_MM**2
    variance = np.trace(np.linalg.inv(precision), axis1=-2, axis2=-1)
    return np.sqrt(variance).astype(np.float32)


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
    training, at one of times that are spread evenly over the whole diffusion. An error that all samples share is not in
    it, and after a fit to one pair that is most of the error.

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
