"""Pairs to learn registration from that no scanner made: invented patients, moved at random, in random contrasts.

Each side gets its own grey levels, texture, lines, blur, speckle, bias, shadows and field of view (as SynthMorph's
pictures), so that a network that learns from them cannot rely on any modality. The start is that of `evaluate`: boxes
drawn by a hurried hand and laid centre on centre.
"""

from functools import cache
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from scipy.spatial.transform import Rotation
from torch import Tensor

from MR2USProLib.phantom.anatomy import Anatomy
from MR2USProLib.registration.boxes import JITTER_MM, MARGIN_MM
from MR2USProLib.registration.deformation import integrate
from MR2USProLib.translation.masking import normalised

PATIENTS, CUBE, CUBE_MM = 60, 64, 1.5
"""Patients are kept as cubes of so many voxels of this size about the gland's centre."""
REACH_MM = CUBE_MM * (CUBE - 1) / 2
SIDE = 32
"""Voxels of a pair along each axis."""
FIELD_MM, FIELD_VOXELS = 60.0, 16
"""Motions live on a grid that reaches so far from the gland's centre, of so many voxels along each axis."""
BENDING_MM, TURNING_DEG = 6.0, 11.0
"""Largest mean bending of the gland, and largest turn."""
NODULES = 19, 20
"""Numbers for bright and dark nodules, behind those of the tissues."""


class Patient(NamedTuple):
    """An invented patient: cubes (k, j, i), and points (n, 3) of the gland's surface in mm."""

    tissue: Tensor
    texture: Tensor
    gland_mm: Tensor
    surface_mm: Tensor


@cache
def patient(seed: int) -> Patient:
    """One of them; the seeds of `simulate` give others."""
    axis = (np.arange(CUBE) - (CUBE - 1) / 2) * CUBE_MM
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij")
    seen = Anatomy(np.random.default_rng((2026, seed))).sample(np.stack([x, y, z], -1))
    tissue = seen.tissue.astype(np.int64)
    tissue[seen.nodules > 0.35], tissue[seen.nodules < -0.35] = NODULES
    surface = np.stack([x, y, z], -1).reshape(-1, 3)[np.abs(seen.gland) < 0.8].astype(np.float32)
    of_tissue, texture, gland = (
        torch.from_numpy(a.reshape(x.shape)) for a in (tissue, seen.texture, np.clip(seen.gland, -9, 9))
    )
    return Patient(of_tissue, texture, gland, torch.from_numpy(surface[:: max(len(surface) // 400, 1)]))


def at(field: Tensor, points_mm: Tensor, half_mm: float) -> Tensor:
    """Values (..., channel) of a field (channel, k, j, i) that reaches from -half to half at points (..., 3)."""
    where = (points_mm / half_mm).reshape(1, -1, 1, 1, 3)
    found = F.grid_sample(field[None], where, padding_mode="border", align_corners=True)
    return found[0, :, :, 0, 0].T.reshape(*points_mm.shape[:-1], -1)


def smooth(channels: int, cells: int, side: int) -> Tensor:
    """Noise (channel, k, j, i) of variance about 1 that changes within a cell."""
    noise = F.interpolate(torch.randn(1, channels, cells, cells, cells), size=(side,) * 3, mode="trilinear")
    noise = F.avg_pool3d(noise, 3, 1, 1, count_include_pad=False)[0]
    return noise / noise.std()


def blurred(x: Tensor, sigma: float) -> Tensor:
    """A picture (k, j, i) behind a Gaussian."""
    reach = max(int(2.5 * sigma + 0.5), 1)
    kernel = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / max(sigma, 1e-3)) ** 2)
    kernel, x = kernel / kernel.sum(), x[None, None]
    for axis in range(3):
        shape = [1, 1, 1, 1, 1]
        shape[2 + axis] = -1
        padding = [0] * 6
        padding[4 - 2 * axis] = padding[5 - 2 * axis] = reach
        x = F.conv3d(F.pad(x, padding, mode="replicate"), kernel.view(shape))
    return x[0, 0]


def chance(probability: float) -> bool:
    return bool(torch.rand(()) < probability)


def between(low: float, high: float) -> float:
    return low + (high - low) * float(torch.rand(()))


def coloured(who: Patient, blobs: Tensor) -> Tensor:
    """The patient's cube in random grey levels; blobs (k, j, i) are what both sides see besides the tissues."""
    levels, gland = torch.rand(21), [*range(6, 14), *NODULES]
    if chance(0.4):  # the inside of the gland is nearly of one grey
        levels[gland] = levels[6] + between(0, 0.4) * (levels[gland] - levels[6])
    grey = levels[who.tissue] + (between(0, 0.15) * torch.randn(21))[who.tissue] * who.texture
    grey = grey + between(-0.15, 0.15) * blobs + between(0, 0.12) * smooth(1, 9, CUBE)[0]
    if chance(0.5):
        grey = grey + between(-0.6, 0.9) * torch.exp(-((who.gland_mm / 1.3) ** 2))
    return grey


def spoilt(grey: Tensor) -> Tensor:
    """A picture (k, j, i) as bad as pictures are."""
    if chance(0.4):  # what faces the beam is bright
        axis = 1 if chance(0.7) else 2
        grey = grey + between(0.5, 2.5) * torch.gradient(grey, dim=axis)[0].abs()
    if chance(0.8):
        grey = blurred(grey, between(0.2, 1.8) if chance(0.5) else between(0.2, 0.8))
    if chance(0.7):
        noise = torch.randn(grey.shape)
        noise = blurred(noise, between(0.3, 1.0)) if chance(0.7) else noise
        grey = grey * (1 + between(0, 0.3) * noise / noise.std())
    grey = grey * torch.exp(between(0, 0.6) * smooth(1, 3, SIDE)[0]) + between(0, 0.08) * torch.randn(grey.shape)
    k, j, i = torch.meshgrid(*3 * [torch.linspace(-1, 1, SIDE)], indexing="ij")
    probe = between(-0.2, 0.2), between(1.1, 2.0)
    angle, depth = torch.atan2(i - probe[0], probe[1] - j), torch.hypot(i - probe[0], j - probe[1])
    for _ in range(int(between(0, 3.5)) if chance(0.6) else 0):
        inside = (angle - between(-0.6, 0.6)).abs() < between(0.02, 0.2)
        inside &= (depth > between(0.2, 2)) & ((k - between(-1, 1)).abs() < between(0.1, 0.6))
        grey = grey * torch.where(inside, between(0.05, 0.7), 1.0)
    if chance(0.3):
        grey = grey * torch.sigmoid((between(0.5, 0.9) - angle.abs()) * between(5, 60))
    low, high = grey.min(), grey.max()
    return ((grey - low) / (high - low)) ** float(np.exp(between(-0.6, 0.6)))


class Pair(NamedTuple):
    """Pictures (1, k, j, i), the truth (3, k, j, i) in voxels, its weight (1, k, j, i) and the voxels in mm (3,)."""

    moving: Tensor
    fixed: Tensor
    truth: Tensor
    weight: Tensor
    spacing_mm: Tensor


def random_pair(seed: int) -> Pair:
    """A pair at its start."""
    torch.manual_seed(seed)
    who = patient(int(torch.randint(PATIENTS, ())))
    scale = torch.empty(3).uniform_(0.85, 1.25) * torch.tensor([-1.0 if chance(0.5) else 1.0, 1.0, 1.0])
    variety = between(0, 2.5) * smooth(3, 6, FIELD_VOXELS)  # mm: anatomies that the simulation does not know
    surface = who.surface_mm * scale
    velocity = smooth(3, int(between(4, 6.9)), FIELD_VOXELS)
    seat = torch.stack([torch.zeros(()), surface[:, 1].max(), between(-0.7, 0.7) * surface[:, 2].max()])
    grid = torch.stack(
        torch.meshgrid(*3 * [torch.linspace(-FIELD_MM, FIELD_MM, FIELD_VOXELS)], indexing="ij")[::-1], -1
    )
    velocity[1] += between(-3, 3) * torch.exp(-((grid - seat) ** 2).sum(-1) / (2 * between(10, 16) ** 2))  # the probe
    size = at(velocity, surface, FIELD_MM)
    velocity = velocity * (between(0, BENDING_MM) / (size - size.mean(0)).norm(dim=-1).mean())
    step = 2 * FIELD_MM / (FIELD_VOXELS - 1)
    bending = integrate(velocity[None] / step, 5)[0] * step
    axis = np.random.default_rng(seed).normal(size=3)
    turn = Rotation.from_rotvec(axis / np.linalg.norm(axis) * between(0, TURNING_DEG), degrees=True).as_matrix()
    turn = torch.from_numpy(turn.astype(np.float32))
    there = surface - at(variety, surface, FIELD_MM)
    back = there @ turn
    for _ in range(4):
        back = there @ turn - at(bending, back, FIELD_MM)
    boxes = [torch.stack([p.min(0)[0] - MARGIN_MM, p.max(0)[0] + MARGIN_MM]) for p in (there, back)]
    boxes = [box + JITTER_MM * torch.randn(2, 3) for box in boxes]
    (low, high), start = boxes[1], boxes[0].mean(0) - boxes[1].mean(0)
    spacing = (high - low) / SIDE
    steps = (torch.arange(SIDE) + 0.5) / SIDE
    fixed = low + (high - low) * torch.stack(torch.meshgrid(steps, steps, steps, indexing="ij")[::-1], -1)
    moving = fixed + start
    right = (fixed + at(bending, fixed, FIELD_MM)) @ turn.T
    blobs = torch.tanh(3 * smooth(1, int(between(5, 14)), CUBE)[0])
    shown = []
    for points in (moving, right):
        cube = (points + at(variety, points, FIELD_MM)) / scale
        shown.append(spoilt(at(coloured(who, blobs)[None], cube, REACH_MM)[..., 0]))
    gland = at(who.gland_mm[None], cube, REACH_MM)[..., 0]
    valid = np.ones(gland.shape, bool)
    for _ in range(int(between(0, 2.9))):  # planes beyond which one side shows nothing
        normal = torch.randn(3) * torch.tensor([1.0, 1.0, 0.5])
        beyond = ((fixed - fixed.mean((0, 1, 2))) / (high - low)) @ (normal / normal.norm()) > between(0.35, 0.6)
        valid &= ~beyond.numpy()
    one, other = (torch.from_numpy(normalised(x.numpy(), valid))[None] for x in shown)
    truth = ((right - moving) / spacing).permute(3, 0, 1, 2)
    weight = torch.where(gland < 1.5, 1.0, 0.15 * torch.from_numpy(valid.astype(np.float32)))
    return turned(Pair(one, other, truth, weight[None], spacing))


def turned(pair: Pair) -> Pair:
    """A pair as it is, or with left-right and front-back swapped or mirrored: headers name axes as they like."""
    swap, flips = chance(0.3), [axis for axis, p in ((2, 0.3), (3, 0.3)) if chance(p)]
    truth, spacing = pair.truth.clone(), pair.spacing_mm
    for axis in flips:
        truth[3 - axis] *= -1
    fields = [x.flip(flips) for x in (pair.moving, pair.fixed, truth, pair.weight)]
    if swap:
        fields = [x.transpose(2, 3) for x in fields]
        fields[2], spacing = fields[2][[1, 0, 2]], spacing[[1, 0, 2]]
    return Pair(fields[0], fields[1], fields[2], fields[3], spacing)
