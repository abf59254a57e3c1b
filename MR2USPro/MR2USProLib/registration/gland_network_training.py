"""How the network learns to see the gland, from roughly drawn boxes and no outline.

Its truth is a soft rounded box inscribed in each drawn one. That is wrong by millimetres, but never in the same way
twice; the middle of what it looks at is moved at random, so that it cannot just answer "the middle". What the pictures
have in common is all that is left to learn.

Three networks each leave out a third of the cohort. How far the centres that they see there, from beside them, lie from
the drawn middles tells how much they are worth: so much of it is the drawn middles' error, the rest is the networks'.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import zoom
from scipy.spatial.transform import Rotation

from ..progress import SILENT, Progress
from .boxes import JITTER_MM
from .gland_network import LATTICE_MM, VOXELS, Array, GlandNetwork, GlandSight, both_looks, centre_seen, look

if TYPE_CHECKING:
    from .finder import Picture, Sides

PARTS = 3
LOOKS_PER_PAIR = 50
"""Of those that a network learns from."""
BATCH = 4
RATE = 4e-3
DECAY = 1e-2
WARM_UP = 0.15
ROUNDNESS = 2.5
"""Power of the rounded box: 2 is an ellipsoid."""
EDGE_MM = 1.5
SHIFT_MM = 6.0
TURN_DEG = 6.0
SIZE, SHAPE = 0.08, 0.05
"""Standard deviations of the logarithms by which a look is scaled as a whole, and along each axis."""
BESIDE_MM = 5.0
"""How far off they are made to look when they are judged: to have answered "the middle" is worth nothing."""
DRAWN_MM2 = JITTER_MM**2 / 2 + 1.0
"""Variance of a drawn middle along an axis: the hand's, and that of an extent's middle against the centre of mass."""
MOST_WEIGHT = 0.25
"""Less than they mostly prove to be worth: fewer or as many pairs get worse by it, on two drawings of real boxes."""
_AXES = np.eye(3)


def learn_gland(
    pictures: Sequence[Picture],
    boxes: Sequence[Sides],
    mirror: int,
    *,
    iterations: int | None = None,
    seed: int = 0,
    progress: Progress = SILENT,
) -> GlandSight:
    """Learn from the MR images of a cohort that are all oriented alike.

    Args:
        pictures: of the MR.
        boxes: of the glands in them, as they were drawn, without their margin.
        mirror: the axis along which the anatomy is its own mirror image.
        iterations: of each network; as many as suit the cohort if not given.
        seed: of the networks and all that is drawn at random.
        progress: told about every step.

    Raises:
        Cancelled: the user asked to stop.
    """
    part_of = np.arange(len(pictures)) * PARTS // len(pictures)  # a patient's cases usually follow each other
    rng = np.random.default_rng(seed)
    networks: list[GlandNetwork] = []
    off: list[Array] = []
    for part in range(PARTS):
        others, mine = (np.flatnonzero(there).tolist() for there in (part_of != part, part_of == part))
        network = _learned(
            [(pictures[n], boxes[n]) for n in others],
            mirror,
            iterations or max(1, len(others) * LOOKS_PER_PAIR // BATCH),
            np.random.default_rng((seed, part)),
            progress.part(part / PARTS, (part + 1) / PARTS),
        )
        for n in mine:
            beside = rng.normal(0.0, BESIDE_MM, 3)
            at = (boxes[n].low + boxes[n].high) / 2 + beside
            seen = centre_seen(network, both_looks(pictures[n], at, _AXES, mirror), mirror)
            off += [beside + seen] if seen is not None else []
        networks.append(network)
    if 2 * len(off) < len(pictures):  # hardly ever anything seen
        return GlandSight(networks, np.zeros(3), 0.0)
    own = max(np.var(off, axis=0, ddof=1).mean() - DRAWN_MM2, 0.0)
    return GlandSight(networks, np.mean(off, axis=0), float(min(DRAWN_MM2 / (DRAWN_MM2 + own), MOST_WEIGHT)))


def _learned(
    cases: Sequence[tuple[Picture, Sides]], mirror: int, iterations: int, rng: np.random.Generator, progress: Progress
) -> GlandNetwork:
    from monai.losses import DiceCELoss

    compare = DiceCELoss(sigmoid=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(rng.integers(2**31)))
        network = GlandNetwork()
    network.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    optimiser = torch.optim.AdamW(network.parameters(), RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, iterations + 1, pct_start=WARM_UP)
    waiting: list[int] = []
    for _ in progress.steps(iterations, "Learning to see the gland"):
        looks, glands = [], []
        for _ in range(BATCH):
            waiting = waiting or rng.permutation(len(cases)).tolist()
            picture, sides = cases[waiting.pop()]
            middle, axes = (sides.low + sides.high) / 2 + rng.normal(0.0, SHIFT_MM, 3), _turned(mirror, rng)
            looks.append(_repainted(look(picture, middle, axes), rng))
            glands.append(_gland(sides, middle, axes))
        x, y = (torch.from_numpy(np.stack(v)[:, None].astype(np.float32)) for v in (looks, glands))
        loss = compare(network(x.contiguous(memory_format=torch.channels_last_3d)), y)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return network.eval().half().float()  # as precise as it is kept, so that it is the same when it is read again


def _turned(mirror: int, rng: np.random.Generator) -> Array:
    """Axes a little turned and scaled, and mirrored every other time."""
    scale = np.exp(rng.normal(0.0, SIZE) + rng.normal(0.0, SHAPE, 3))
    scale[mirror] *= rng.choice([1.0, -1.0])
    turn: Array = Rotation.from_euler("xyz", rng.normal(0.0, TURN_DEG, 3), degrees=True).as_matrix()
    return turn * scale


def _gland(sides: Sides, middle: Array, axes: Array) -> Array:
    """The soft rounded box on the lattice."""
    half = (sides.high - sides.low) / 2
    unit = np.abs(LATTICE_MM @ axes.T + middle - (sides.low + sides.high) / 2) / half
    radius = (unit**ROUNDNESS).sum(axis=1) ** (1 / ROUNDNESS)
    soft: Array = 1 / (1 + np.exp(np.clip((radius - 1) * half.mean() / EDGE_MM, -30, 30)))
    return soft.reshape((VOXELS,) * 3)


def _repainted(seen: NDArray[np.float32], rng: np.random.Generator) -> Array:
    """As another scanner might show it: other contrast, another sensitivity of the coil, noise."""
    painted = np.clip(seen, 1e-3, 1.0) ** np.exp(rng.normal(0.0, 0.3))
    painted = painted * np.exp(rng.normal(0.0, 0.15)) + rng.normal(0.0, 0.08)
    coil = zoom(rng.normal(0.0, 1.0, (4,) * 3), VOXELS / 4, order=1)
    noise = rng.standard_normal(seen.shape, dtype=np.float32)
    repainted: Array = painted + 0.12 * rng.uniform() * coil + 0.04 * noise
    return repainted
