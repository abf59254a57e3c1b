"""The anatomy-aware network fitted to the pair at hand: what a registration without trained weights does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from torch import Tensor

from ..errors import InputError
from ..progress import SILENT, Progress
from . import losses
from .deformation import integrate, resize, warp
from .diffusion import STEPS, NoiseSchedule
from .network import AnatomyAwareNetwork


@dataclass(frozen=True)
class AnatomyAwareSettings:
    """How the network is fitted.

    Attributes:
        iterations: steps of Adam.
        learning_rate: of Adam; falls to a tenth along a cosine.
        lambda_sim, lambda_smooth, lambda_diff: weights of eq. 16, 17 and 18 in eq. 19.
        lambda_rest: weight of the mean squared displacement in mm, which is our addition: eq. 17 leaves translations
            free, so that two pictures with nothing in common would drift apart.
        channels: features at 1/2, 1/4, 1/8, ... of the resolution, multiples of 4.
        blurs_voxels: standard deviations of the Gaussians that the pictures are compared through, coarse to fine; each
            serves an equal share of the iterations.
    """

    iterations: int = 100
    learning_rate: float = 3e-3
    lambda_sim: float = 20.0
    lambda_smooth: float = 5.0
    lambda_diff: float = 1.0
    lambda_rest: float = 5e-3
    channels: tuple[int, ...] = (8, 16, 32, 32)
    blurs_voxels: tuple[float, ...] = (4.0, 2.0, 1.0)


@dataclass(frozen=True)
class FittedDeformation:
    """What the fit found.

    Attributes:
        displacement: (k, j, i, 3) float32 in voxels along (i, j, k), fixed to moving: the warped image at x is the
            moving image at x + u(x).
        inverse: the same for the way back, moving to fixed.
        history: a value for each iteration of ``total``, ``similarity``, ``smoothness`` and ``diffusion``.
    """

    displacement: NDArray[np.float32]
    inverse: NDArray[np.float32]
    history: dict[str, list[float]] = field(default_factory=dict)


def fit_anatomy_aware(
    moving: NDArray[np.float32],
    fixed: NDArray[np.float32],
    valid: NDArray[np.bool_],
    spacing_mm: Sequence[float],
    *,
    settings: AnatomyAwareSettings | None = None,
    seed: int = 0,
    device: str = "cpu",
    progress: Progress = SILENT,
    on_field: Callable[[Callable[[], NDArray[np.float32]]], None] = lambda field: None,
) -> FittedDeformation:
    """Fit the network to one pair and take its field at time 0 with the clean fixed picture.

    Each step sees the pair twice: as inference does (time 0), and with the fixed picture noised at a random time, which
    is what the diffusion decoder learns from. Two items a step also spare the CPU the slow kernels of batch 1.

    Args:
        moving: (k, j, i) translated MR in [-1, 1].
        fixed: (k, j, i) translated TRUS in [-1, 1] on the same grid.
        valid: (k, j, i), where the fixed picture shows something; only there is it compared.
        spacing_mm: voxel size along (i, j, k).
        settings: how to fit.
        seed: of the network's first weights and of the noise.
        device: ``cpu`` or ``cuda``.
        progress: told about each iteration.
        on_field: offered what makes the displacement of the moment, (k, j, i, 3) in voxels (i, j, k), at each step.

    Raises:
        Cancelled: the user asked to stop.
        InputError: nothing is valid.
    """
    settings = settings or AnatomyAwareSettings()
    if not valid.any():
        raise InputError("The fixed image shows nothing in the region to register: choose another region or start.")
    unit = 2 ** len(settings.channels)
    seen = [np.where(valid, image, image[valid].mean()) for image in (moving, fixed)]
    pictures = [_to_tensor(image, unit, device) for image in seen]
    levels = [_level(moving, seen[1], valid, sigma, unit, device) for sigma in settings.blurs_voxels]
    mask = _to_tensor(valid, unit, device, mode="constant")
    forked = [torch.device(device)] if device.startswith("cuda") else []

    def offer(displacement: Tensor) -> None:
        on_field(lambda: _to_array(resize(displacement, mask.shape[2:]), fixed.shape))

    with torch.random.fork_rng(devices=forked):
        torch.manual_seed(seed)
        network = AnatomyAwareNetwork(settings.channels).to(device)
        network.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]  # missing in torch's stubs
        history = _optimise(network, pictures, levels, mask, spacing_mm, settings, progress, offer)
    network.eval()
    with torch.no_grad():  # the same pair twice: that too is faster than batch 1
        time = torch.zeros(2, dtype=torch.long, device=device)
        pair = [picture.expand(2, -1, -1, -1, -1) for picture in pictures]
        velocity = network(pair[0], pair[1], pair[1], time).velocity[:1]
        full = mask.shape[2:]
        there, back = (resize(integrate(v), full) for v in (velocity, -velocity))
    return FittedDeformation(_to_array(there, fixed.shape), _to_array(back, fixed.shape), history)


def _optimise(
    network: AnatomyAwareNetwork,
    pictures: list[Tensor],
    levels: list[_Level],
    mask: Tensor,
    spacing_mm: Sequence[float],
    settings: AnatomyAwareSettings,
    progress: Progress,
    on_step: Callable[[Tensor], None],
) -> dict[str, list[float]]:
    """Minimise eq. 19 over the network's weights; the history of its terms."""
    device = mask.device
    schedule = NoiseSchedule().to(device)
    optimiser = torch.optim.Adam(network.parameters(), lr=settings.learning_rate, fused=True)
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(
        optimiser, settings.iterations, eta_min=settings.learning_rate / 10
    )
    moving, fixed = (picture.expand(2, -1, -1, -1, -1) for picture in pictures)
    valid = mask.expand_as(fixed)
    half_spacing = [s * (n - 1) / (n // 2 - 1) for s, n in zip(spacing_mm, reversed(fixed.shape[2:]), strict=True)]
    history: dict[str, list[float]] = {"total": [], "similarity": [], "smoothness": [], "diffusion": []}
    for step in progress.steps(settings.iterations, "Fitting the network to the pair"):
        time = torch.stack([torch.zeros((), dtype=torch.long), torch.randint(STEPS, ())]).to(device)
        noise = torch.randn(fixed.shape).to(device)
        noised = schedule.add_noise(fixed, time, noise)
        prediction = network(moving, fixed, noised, time)
        displacement = integrate(prediction.velocity)
        level = levels[step * len(levels) // settings.iterations]
        warped = warp(level.moving.expand_as(moving), resize(displacement, fixed.shape[2:]))
        warped_anatomy = losses.anatomy(level.moving_share * losses.standardised(warped, valid), valid)
        similarity = losses.soft_dice(level.fixed_anatomy.expand_as(fixed), warped_anatomy, valid)
        smooth = losses.smoothness(displacement, half_spacing)
        rest = losses.mean_squared_length(displacement, half_spacing)
        diffused = losses.diffusion(prediction.score, noise)
        loss = losses.total(
            similarity,
            smooth,
            diffused,
            lambda_sim=settings.lambda_sim,
            lambda_smooth=settings.lambda_smooth,
            lambda_diff=settings.lambda_diff,
        )
        loss = loss + settings.lambda_rest * rest
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        decay.step()
        for name, value in zip(history, (loss, similarity, smooth, diffused), strict=True):
            history[name].append(float(value.detach()))
        progress.values(**{name: values[-1] for name, values in history.items()})
        on_step(displacement.detach()[:1])
    return history


class _Level(NamedTuple):
    """What the pair looks like at one step of coarse to fine.

    Attributes:
        moving: the blurred moving picture.
        moving_share: how much of its spread the blur has left.
        fixed_anatomy: F_Ana of the blurred fixed picture.
    """

    moving: Tensor
    moving_share: float
    fixed_anatomy: Tensor


def _level(moving: NDArray, fixed: NDArray, valid: NDArray[np.bool_], sigma: float, unit: int, device: str) -> _Level:
    """Blur the pair, in units of the spread of the sharp pictures: what is but noise then fades with the blur."""
    blurred = [gaussian_filter(image, sigma, mode="nearest") for image in (moving, fixed)]
    spreads = [float(image[valid].std()) for image in (*blurred, moving, fixed)]
    moving_share, fixed_share = (spreads[n] / (spreads[n + 2] + losses.EPSILON) for n in (0, 1))
    moving_blurred, fixed_blurred = (_to_tensor(image, unit, device) for image in blurred)
    mask = _to_tensor(valid, unit, device, mode="constant")
    fixed_anatomy = losses.anatomy(fixed_share * losses.standardised(fixed_blurred, mask), mask)
    return _Level(moving_blurred, moving_share, fixed_anatomy)


def _to_tensor(image: NDArray, unit: int, device: str, mode: Literal["edge", "constant"] = "edge") -> Tensor:
    """(1, 1, depth, height, width), grown at its far ends to multiples of ``unit``."""
    padded = np.pad(image.astype(np.float32), [(0, -n % unit) for n in image.shape], mode=mode)
    return torch.from_numpy(padded)[None, None].to(device)


def _to_array(displacement: Tensor, shape: tuple[int, ...]) -> NDArray[np.float32]:
    field_kji = displacement[0].permute(1, 2, 3, 0)[: shape[0], : shape[1], : shape[2]]
    return np.ascontiguousarray(field_kji.float().cpu().numpy())
