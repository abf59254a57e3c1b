"""How the finder learns, from pairs with roughly drawn boxes and no label.

Every side of every box is moved at random, and a ridge regression learns to tell from the picture how far. The truth it
learns is a drawn box, itself a few millimetres off, but never in the same direction twice: what is learned is right on
average. It is solved in closed form, in seconds; the network for the MR (:mod:`.gland_network_training`) takes minutes.

The tilt between the two images is the angle at which the edges of all pairs together coincide best, those of the glands
and not of what surrounds them, which moves by itself; what a single pair says of it is too uncertain to be followed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from ..errors import InputError
from ..progress import SILENT, Progress
from ..volume import Volume
from ..weights import Part, read_weights
from .boxes import MARGIN_MM, Box
from .finder import LEAST_LIKENESS, SAMPLES, Array, Finder, Picture, Sides, View, sides_of, stretched, swapped, tilt
from .gland_network import GlandNetwork, GlandSight
from .gland_network_training import PARTS, learn_gland

METHOD = "ridge+gland-network"
OWN = Path(__file__).with_name("finder.safetensors")
"""What boxes around the glands of 79 public pairs taught."""
LEAST_PAIRS = 8
JITTER_MM = 3.0
DRAWINGS = 16
"""Of each box; fewer for large cohorts, so that the regression stays small."""
MOST_DRAWINGS = 4000
RIDGE = 5.0
"""Against the mean square of a picture's difference to the mean."""
ANGLES_DEG = np.arange(-18.0, 19.0, 6.0)
LARGEST_TILT_DEG = 15.0
FOCUS = 3.0
"""How much less an edge counts that is farther from the gland's middle: by a Gaussian of 1/sqrt(3) half edges."""
SMALLEST_MM = 15.0
"""No gland is smaller, whatever was drawn: both sides of its box can be moved, and it is not turned inside out."""
_AXES = np.eye(3)

T = TypeVar("T")


@dataclass(frozen=True)
class BoxedPair:
    """What is looked at of a pair: both images around the boxes that were drawn in them, each in its own world.

    Attributes:
        pictures: MR and TRUS.
        sides: of the glands' boxes there.
        fingerprint: of the MR; see :func:`fingerprint_of`.
    """

    pictures: tuple[Picture, Picture]
    sides: tuple[Sides, Sides]
    fingerprint: str

    @staticmethod
    def of(mr: Volume, us: Volume, mr_box: Box, us_box: Box) -> BoxedPair:
        """The pair in these images, with boxes drawn 10 mm too large."""
        wide = [Box(box.low_mm - box.size_mm, box.high_mm + box.size_mm) for box in (mr_box, us_box)]
        one, other = (_at_least(SMALLEST_MM, sides_of(box, _AXES, MARGIN_MM)) for box in (mr_box, us_box))
        return BoxedPair((Picture(mr, wide[0]), Picture(us, wide[1])), (one, other), fingerprint_of(mr))

    def bettered(self, mr: View, us: View, mirror: int) -> BoxedPair:
        """The pair with its boxes where the pictures say that the glands are."""
        (mr_picture, us_picture), (mr_sides, us_sides) = self.pictures, self.sides
        one = mr.corrected(mr_picture, mr_sides, _AXES, mirror)
        other = us.corrected(us_picture, us_sides, _AXES, mirror)
        return BoxedPair(self.pictures, (one, other), self.fingerprint)


def learn_finder(
    pairs: Sequence[BoxedPair], *, iterations: int | None = None, seed: int = 0, progress: Progress = SILENT
) -> Finder:
    """Learn from a cohort whose images are all oriented alike.

    Args:
        pairs: with their boxes; those of one patient follow each other.
        iterations: of each network for the MR; as many as suit the cohort if not given.
        seed: of the random drawings and the network.
        progress: told about every pair.

    Raises:
        InputError: there are too few pairs to learn from.
        Cancelled: the user asked to stop.
    """
    if len(pairs) < LEAST_PAIRS:
        raise InputError(
            f"{len(pairs)} pair(s) with boxes teach nothing about where glands lie: give {LEAST_PAIRS} at least, or "
            "other --methods than finder, surfaces and register."
        )
    mirror = _mirror(pairs)
    drawings = max(2, min(DRAWINGS, MOST_DRAWINGS // len(pairs)))
    rng = np.random.default_rng(seed)
    views = [
        _view([pair.pictures[n] for pair in pairs], [pair.sides[n] for pair in pairs], mirror, drawings, rng, part)
        for n, part in enumerate((progress.part(0.0, 0.05), progress.part(0.05, 0.1)))
    ]
    sizes = np.array([[np.log(sides.high - sides.low) for sides in pair.sides] for pair in pairs])
    growth = (sizes[:, 0] - sizes[:, 1]).mean(axis=0)
    better = [pair.bettered(views[0], views[1], mirror) for pair in pairs]
    angle = _tilt_deg(better, mirror, progress.part(0.1, 0.15))
    gland = learn_gland(
        [pair.pictures[0] for pair in pairs],
        [pair.sides[0] for pair in pairs],
        mirror,
        iterations=iterations,
        seed=seed,
        progress=progress.part(0.15, 1.0),
    )
    return Finder(views[0], views[1], gland, growth, mirror, angle, frozenset(pair.fingerprint for pair in pairs))


def fingerprint_of(mr: Volume) -> str:
    """By which an MR is known again, in whatever file and type it was kept."""
    return hashlib.sha256(np.ascontiguousarray(mr.array, np.float32).tobytes()).hexdigest()[:16]


def own_finder() -> Part:
    """The finder that comes with the program."""
    return read_weights(OWN).parts["finder"]


def serves(finder: Finder, pairs: Sequence[BoxedPair], tested: Sequence[BoxedPair] = ()) -> bool:
    """Whether a finder that is there already is better than one that these pairs could teach.

    It is where it learned from more pairs than these and takes most of them for its own kind. It must not have seen
    any of them, nor of those that it is to be tested on.
    """
    if len(pairs) > len(finder.seen) or any(pair.fingerprint in finder.seen for pair in (*pairs, *tested)):
        return False
    known = sum(_recognised(finder, pair) for pair in (*pairs, *tested))
    return known > (len(pairs) + len(tested)) / 2


def to_part(finder: Finder) -> Part:
    """The finder as a part of a file of weights."""
    import torch

    tensors = {
        f"{name}.{field}": torch.from_numpy(np.asarray(getattr(view, field), dtype=np.float32))
        for name, view in (("mr", finder.mr), ("us", finder.us))
        for field in ("mean", "slope", "rest")
    }
    for n, network in enumerate(finder.gland.networks):
        tensors |= {f"gland.{n}.{name}": tensor.half() for name, tensor in network.state_dict().items()}
    settings = {
        "growth": finder.growth.tolist(),
        "mirror": finder.mirror,
        "tilt_deg": finder.tilt_deg,
        "seen": sorted(finder.seen),
        "gland_bias_mm": finder.gland.bias.tolist(),
        "gland_weight": finder.gland.weight,
    }
    return Part(METHOD, settings, tensors)


def from_part(part: Part) -> Finder:
    """The finder of a file of weights.

    Raises:
        InputError: it holds something else.
    """
    try:
        mr, us = (
            View(*(np.asarray(part.tensors[f"{name}.{field}"], np.float64) for field in ("mean", "slope", "rest")))
            for name in ("mr", "us")
        )
        settings: Mapping[str, Any] = part.settings
        gland = GlandSight(
            [_network(part.tensors, n) for n in range(PARTS)],
            np.array(settings["gland_bias_mm"], float),
            settings["gland_weight"],
        )
        growth, seen = np.array(settings["growth"], float), frozenset(settings["seen"])
        finder = Finder(mr, us, gland, growth, settings["mirror"], settings["tilt_deg"], seen)
        fits = all(v.mean.shape == (2 * SAMPLES**3,) and v.slope.shape == (2 * SAMPLES**3, 6) for v in (mr, us))
    except (KeyError, TypeError, ValueError, RuntimeError):  # the last one is torch's, for what does not fit a network
        fits = False
    if part.method != METHOD or not fits:
        raise InputError("The weights hold a finder that this program cannot use: train it anew with 'mr2us train'.")
    return finder


def _at_least(size_mm: float, sides: Sides) -> Sides:
    middle, half = (sides.low + sides.high) / 2, np.maximum(sides.high - sides.low, size_mm) / 2
    return Sides(middle - half, middle + half)


def _recognised(finder: Finder, pair: BoxedPair) -> bool:
    looks = (
        view.likeness(picture.features(sides, _AXES))
        for view, picture, sides in zip((finder.mr, finder.us), pair.pictures, pair.sides, strict=True)
    )
    return min(looks) >= LEAST_LIKENESS


def _network(tensors: Mapping[str, Any], n: int) -> GlandNetwork:
    """One of the networks among a part's tensors."""
    begin = f"gland.{n}."
    network = GlandNetwork()
    network.load_state_dict(
        {name.removeprefix(begin): v.float() for name, v in tensors.items() if name.startswith(begin)}
    )
    return network.eval()


def _mirror(pairs: Sequence[BoxedPair]) -> int:
    """The axis along which the cohort's mean pictures are most like their mirror images."""
    likeness = []
    for axis in range(3):
        total = 0.0
        for n in (0, 1):
            mean = np.mean([pair.pictures[n].features(pair.sides[n], _AXES) for pair in pairs], axis=0)[: SAMPLES**3]
            cube = mean.reshape((SAMPLES,) * 3)
            total += float(np.corrcoef(cube.ravel(), np.flip(cube, axis).ravel())[0, 1])
        likeness.append(total)
    return int(np.argmax(likeness))


def _view(
    pictures: Sequence[Picture],
    boxes: Sequence[Sides],
    mirror: int,
    drawings: int,
    rng: np.random.Generator,
    progress: Progress,
) -> View:
    seen, off = [], []
    for picture, sides in zip(_told(pictures, progress, "Learning the boxes"), boxes, strict=True):
        for drawing in range(drawings):
            low, high = rng.normal(0.0, JITTER_MM, (2, 3))
            mirrored = drawing % 2 == 1
            moved = Sides(sides.low + low, sides.high + high)
            seen.append(picture.features(moved, _AXES, mirror if mirrored else None))
            back = -np.concatenate([low, high])
            off.append(swapped(back, mirror) if mirrored else back)
    x, y = np.array(seen), np.array(off)
    mean, rest = x.mean(axis=0), y.mean(axis=0)
    x -= mean
    kernel = x @ x.T
    size = np.trace(kernel) / len(kernel)
    dual = np.linalg.solve(kernel / size + RIDGE * np.eye(len(kernel)), y - rest)
    return View(mean, x.T @ dual / size, rest)


def _tilt_deg(pairs: Sequence[BoxedPair], mirror: int, progress: Progress) -> float:
    """The angle at which the edges of the cohort as a whole coincide best, up to 15 degrees."""
    curve = np.zeros(len(ANGLES_DEG))
    for pair in _told(pairs, progress, "Learning the tilt"):
        curve += [_edges_alike(pair, tilt(angle, mirror)) for angle in ANGLES_DEG]
    bend, slope, _ = np.polyfit(ANGLES_DEG, curve, 2)
    best = -slope / (2 * bend) if bend < 0 else 0.0
    return float(np.clip(best, -LARGEST_TILT_DEG, LARGEST_TILT_DEG))


def _edges_alike(pair: BoxedPair, rotation: Array) -> float:
    """How well the directions of the edges around the gland agree, whichever side is the brighter one."""
    (mr, us), (mr_sides, us_sides) = pair.pictures, pair.sides
    middle, half = (us_sides.low + us_sides.high) / 2, (us_sides.high - us_sides.low) / 2 + 5
    axes = [np.arange(-h, h + 1, 3.0) for h in half]
    offsets = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    stretch = stretched(mr_sides.high - mr_sides.low, us_sides.high - us_sides.low)
    moved = (offsets * stretch) @ rotation.T + (mr_sides.low + mr_sides.high) / 2
    seen = us.at((offsets + middle).reshape(-1, 3)), mr.at(moved.reshape(-1, 3))
    slopes = [np.stack(np.gradient(image.reshape(offsets.shape[:3]))) for image in seen]
    squares = [(s**2).sum(axis=0) for s in slopes]
    floor = [q + 0.25 * q.mean() + 1e-9 for q in squares]
    alike = (slopes[0] * slopes[1]).sum(axis=0) ** 2 / (floor[0] * floor[1])
    return float(np.average(alike, weights=np.exp(-FOCUS / 2 * ((offsets / half) ** 2).sum(axis=-1))))


def _told(items: Sequence[T], progress: Progress, what: str) -> Iterator[T]:
    """The items, one after the other, telling how far it is."""
    for n in progress.steps(len(items), what):
        yield items[n]
