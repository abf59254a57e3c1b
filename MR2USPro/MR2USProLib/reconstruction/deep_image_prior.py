"""The deep image prior: an untrained network, fitted to this one volume, paints what was not measured.

Ulyanov et al. (2018) fit a network with a noise input to the known voxels and read the others off its output. In 3-D
that takes minutes on a graphics card and does not reach linear interpolation on two CPU cores. What makes it work is
kept here, a convolutional skip encoder-decoder without any training data whose structure is the only prior, and its
noise input is replaced by what is known about a plane: the nearest measured planes on either side, up to two each,
and how far away they are. At every step some measured planes are hidden and the network has to paint them from the
others, so it can never copy what it is asked for, and what it learns is what filling a gap needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from ..errors import InputError
from ..progress import SILENT, Progress
from .filling import GreyVolume, Mask, bracket, checked, psnr_db

FARTHEST = 12
"""Planes farther away than this look the same to the network."""

LOOKS = 10
"""How often the held-out planes are looked at."""

PLANES_AT_ONCE = 8
"""Planes painted in one go, which bounds the memory and the time until a cancel is heard."""


@dataclass(frozen=True)
class DeepImagePrior:
    """How the network is built and fitted. The defaults take about 40 s of one CPU core and 0.7 GB.

    Attributes:
        steps: gradient steps. Their cost depends on ``patch_px`` and ``batch`` and not on the volume's size.
        channels: of each level, from the volume's resolution down; each level halves the plane.
        patch_px: edge of the square patches of a step.
        batch: patches of a step.
        learning_rate: peak of the one-cycle schedule of Adam.
        averaging: decay of the weights' moving average, which paints the planes.
    """

    steps: int = 300
    channels: tuple[int, ...] = (16, 24, 32, 32)
    patch_px: int = 64
    batch: int = 8
    learning_rate: float = 0.005
    averaging: float = 0.95


@dataclass(frozen=True)
class DipResult:
    """A filled volume and how it came about.

    Attributes:
        values: (k, j, i) measured voxels verbatim, the network's elsewhere, 0 outside the fan.
        prior: (k, j, i) the network alone: every plane painted from the measured ones around it, never from itself.
        held_out_psnr_db: PSNR on the held-out planes before the fit, where the network still is linear interpolation,
            and at ten steps evenly spread over it. Empty where no planes were held out.
        steps: gradient steps after which the network painted the volume: those with the best of these figures, which
            may be none at all; all of them where no planes were held out.
    """

    values: GreyVolume
    prior: GreyVolume
    held_out_psnr_db: tuple[float, ...]
    steps: int


class SkipNetwork(nn.Module):
    """Skip encoder-decoder of Ulyanov et al. (2018) over planes (batch, channel, height, width).

    Each level halves the plane with a strided convolution, doubles it again bilinearly, and passes 8 channels across.
    The last layer starts at zero, so that the network starts from the guess it is to improve.
    """

    def __init__(self, inputs: int, channels: Sequence[int], skip: int = 8) -> None:
        super().__init__()
        self.down, self.across, self.up = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        entering = inputs
        for here, below in pairwise(channels):
            self.across.append(_layer(entering, skip, kernel=1))
            self.down.append(nn.Sequential(_layer(entering, below, stride=2), _layer(below, below)))
            self.up.append(_layer(below + skip, here))
            entering = below
        last = nn.Conv2d(channels[0], 1, 1)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)  # type: ignore[arg-type]
        self.out = nn.Sequential(_layer(channels[0], channels[0]), last)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, inputs, height, width) to (batch, 1, height, width); any size."""
        passed = []
        for down, across in zip(self.down, self.across, strict=True):
            passed.append((across(x), x.shape[2:]))
            x = down(x)
        for (crossing, size), up in zip(reversed(passed), reversed(self.up), strict=True):
            x = up(torch.cat([F.interpolate(x, tuple(size), mode="bilinear"), crossing], dim=1))
        return self.out(x)


def _layer(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.LeakyReLU(0.2, inplace=True),
    )


def fill_dip(
    values: GreyVolume,
    measured: Mask,
    inside: Mask,
    *,
    settings: DeepImagePrior | None = None,
    held_out: Sequence[int] = (),
    seed: int = 0,
    device: str = "cpu",
    progress: Progress = SILENT,
) -> DipResult:
    """Fit the network to the measured planes and let it paint the others.

    Args:
        values: (k, j, i) grey values 0 to 255; those that were not measured do not matter.
        measured: (k, j, i) voxels that a transverse frame wrote.
        inside: (j, i) or (k, j, i) the fan.
        settings: how the network is built and fitted.
        held_out: slices k that the fit never sees: they score it, and say after how many steps it was best. They stay
            measured planes in the result.
        seed: same seed, same result on one machine.
        device: what torch calls the device.
        progress: told about every step.

    Raises:
        InputError: fewer than three planes to learn from were measured inside the fan.
        Cancelled: the user asked to stop.
    """
    settings = settings or DeepImagePrior()
    values, measured, inside = checked(values, measured, inside)
    seen, scored = measured.copy(), np.zeros_like(measured)
    seen[list(held_out)] = False
    scored[list(held_out)] = measured[list(held_out)]
    grey = values / np.float32(255)
    rng = np.random.default_rng(seed)
    planes = np.flatnonzero(seen.any(axis=(1, 2)))
    if len(planes) < 3:
        raise InputError(
            f"The deep image prior needs at least three measured planes to learn from, not {len(planes)}: choose "
            "linear filling, or a video with more transverse frames."
        )
    narrowest = int((planes[2:] - planes[:-2]).min())
    fitting, painting = progress.part(0.0, 0.95), progress.part(0.95, 1.0)
    curve: list[float] = []
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = SkipNetwork(_CHANNELS, settings.channels).to(device)
        average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(settings.averaging), use_buffers=True)
        optimiser = torch.optim.Adam(network.parameters(), settings.learning_rate)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimiser, settings.learning_rate, total_steps=settings.steps, pct_start=0.1
        )

        best, best_steps = average.state_dict(), settings.steps

        def look(steps: int) -> None:
            nonlocal best, best_steps
            estimate = _paint(average, grey, seen, sorted(held_out), narrowest, device)
            curve.append(psnr_db(estimate, values, scored))
            if curve[-1] >= max(curve):
                best, best_steps = deepcopy(average.state_dict()), steps

        if held_out:
            look(0)
        for step in fitting.steps(settings.steps, "Fitting the deep image prior"):
            context, guess, truth, weight = (x.to(device) for x in _hide_and_seek(grey, seen, settings, rng))
            painted = guess + network(context.contiguous(memory_format=torch.channels_last))[:, 0]
            loss = (weight * (painted - truth) ** 2).sum() / weight.sum().clamp(min=1)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            average.update_parameters(network)
            if held_out and (step + 1) * LOOKS // settings.steps > step * LOOKS // settings.steps:
                look(step + 1)
        if held_out:
            average.load_state_dict(best)
        prior = _paint(average, grey, measured, range(len(grey)), narrowest, device, painting)
    prior = np.where(inside, prior, np.float32(0))
    return DipResult(np.where(measured, values, prior), prior, tuple(curve), best_steps)


_CHANNELS = 9
"""The guess, the four planes around as differences from it, and their distances."""


def _context(grey: GreyVolume, known: Mask, planes: Sequence[int]) -> tuple[GreyVolume, GreyVolume, GreyVolume]:
    """What the network is told about some planes, and the guess that it improves.

    Neither looks at the plane itself: only at known voxels of the same column strictly before and after it.

    Args:
        grey: (k, j, i) in [0, 1].
        known: (k, j, i) voxels that may be looked at.
        planes: slices k to describe.

    Returns:
        Context (plane, channel, j, i), the linear interpolation (plane, j, i), and how many planes lie from the known
        voxel before to the one after (plane, j, i), twice the distance where only one side has any.
    """
    count = len(known)
    before, after = bracket(known)
    # A border on either side, so that looking beyond the ends finds "none" there.
    before = np.concatenate([np.full_like(before[:1], -1), before])  # before[k + 1] is at or before k
    after = np.concatenate([after, np.full_like(after[:1], count)])
    contexts, guesses, widths = [], [], []
    for k in planes:
        b1, a1 = before[k], after[k + 1]
        b2 = np.take_along_axis(before, np.maximum(b1, 0)[None], axis=0)[0]
        a2 = np.take_along_axis(after, np.minimum(a1 + 1, count)[None], axis=0)[0]
        empty = (b1 < 0) & (a1 == count)
        b1, a1 = np.where(b1 < 0, a1, b1), np.where(a1 == count, b1, a1)
        around = [np.where(b2 < 0, b1, b2), b1, a1, np.where(a2 == count, a1, a2)]
        looked = [
            np.where(empty, np.float32(0), np.take_along_axis(grey, np.clip(at, 0, count - 1)[None], axis=0)[0])
            for at in around
        ]
        weight = np.clip((k - b1) / np.maximum(a1 - b1, 1), 0, 1).astype(np.float32)
        guess = looked[1] + weight * (looked[2] - looked[1])
        distances = [np.minimum(np.abs(at - k), FARTHEST).astype(np.float32) / FARTHEST for at in around]
        contexts.append(np.stack([guess, *(plane - guess for plane in looked), *distances]))
        guesses.append(guess)
        widths.append(np.abs(k - b1) + np.abs(a1 - k))
    return np.stack(contexts), np.stack(guesses), np.stack(widths).astype(np.float32)


def _hide_and_seek(
    grey: GreyVolume, seen: Mask, settings: DeepImagePrior, rng: np.random.Generator
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Patches of hidden planes: context, guess, truth and where the truth is known."""
    windows = []
    columns = np.argwhere(seen.any(axis=0))
    for _ in range(2):  # two windows a step: one is too alike, and each more costs a search along k
        window = [slice(0, len(grey))]
        for centre, size in zip(columns[rng.integers(len(columns))], grey.shape[1:], strict=True):
            start = int(np.clip(centre - settings.patch_px // 2, 0, max(size - settings.patch_px, 0)))
            window.append(slice(start, start + settings.patch_px))
        known, values = seen[tuple(window)], grey[tuple(window)]
        candidates = np.flatnonzero(known.any(axis=(1, 2)))
        targets = rng.choice(candidates, settings.batch // 2)
        # Hiding others besides the targets makes gaps of many widths, as the sweep did.
        hidden = candidates[rng.random(len(candidates)) < rng.uniform(0.0, 0.5)]
        left = known.copy()
        left[hidden] = False
        context, guess, _ = _context(values, left, [int(k) for k in targets])
        if rng.random() < 0.25:  # as in the last gap of the sweep, where there is no second plane beyond
            context[:, [1, 5]] = context[:, [2, 6]]
        patches = [context, guess, values[targets], known[targets].astype(np.float32)]
        if rng.random() < 0.5:  # the sweep could have run the other way
            patches[0] = context[:, [0, 4, 3, 2, 1, 8, 7, 6, 5]]
        if rng.random() < 0.5:  # and the patient is nearly symmetric
            patches = [patch[..., ::-1] for patch in patches]
        windows.append(patches)
    contexts, guesses, truths, weights = (torch.from_numpy(np.concatenate(part)) for part in zip(*windows, strict=True))
    return contexts, guesses, truths, weights


def _paint(
    network: nn.Module,
    grey: GreyVolume,
    known: Mask,
    planes: Sequence[int],
    narrowest: int,
    device: str,
    progress: Progress = SILENT,
) -> GreyVolume:
    """The network's grey values 0 to 255 of some planes, each from the known voxels around it; 0 elsewhere.

    Where a gap is narrower than any that the fit could make (every second plane measured leaves gaps of two, hiding
    makes them four), the correction of the linear guess shrinks as that guess's error does, with the gap squared.
    """
    painted = np.zeros_like(grey)
    network.eval()
    with torch.no_grad():
        for start in range(0, len(planes), PLANES_AT_ONCE):
            progress.report(start / len(planes), "Painting the planes between")
            chosen = list(planes[start : start + PLANES_AT_ONCE])
            context, guess, width = (torch.from_numpy(x).to(device) for x in _context(grey, known, chosen))
            trust = (width / narrowest).clamp(max=1) ** 2
            out = guess + trust * network(context.contiguous(memory_format=torch.channels_last))[:, 0]
            painted[chosen] = 255 * out.clamp(0, 1).cpu().numpy()
    progress.report(1.0)
    return painted
