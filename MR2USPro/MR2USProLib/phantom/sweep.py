"""How the hand moved the probe, and what went wrong while it did."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

Level = Literal["easy", "medium", "hard"]
Series = NDArray[np.float64]


@dataclass(frozen=True)
class Difficulty:
    """What a level means, in the physical units of each trouble.

    Attributes:
        deformation_mm: mean displacement in the gland.
        rotation_deg: range of the angle between TRUS and MR.
        mr_noise: of the MR, as a part of the signal of fat.
        unevenness: of the speed, as a part of its mean.
        pauses, reversals: how often the hand stops and slips back.
        jitter_mm: of the position from frame to frame.
        wobble_mm: of the depth, slow and fast together.
        drift_mm: of the sagittal plane out of its plane, slow.
        decorrelation: part of the speckle's power that is new in every frame.
        noise_db: electronic noise below the peripheral zone, at full depth.
        reverberation_db: of the bands under the probe's face, against the peripheral zone.
        reverberation_reach_mm: how far down they fade.
        gain_db: slow drift of the gain.
        contacts: places along the face that lose contact for a while.
        spoilt: frames that show nothing usable.
    """

    deformation_mm: float
    rotation_deg: tuple[float, float]
    mr_noise: float
    unevenness: float
    pauses: int
    reversals: int
    jitter_mm: float
    wobble_mm: float
    drift_mm: float
    decorrelation: float
    noise_db: float
    reverberation_db: float
    reverberation_reach_mm: float
    gain_db: float
    contacts: int
    spoilt: int


LEVELS: dict[Level, Difficulty] = {
    "easy": Difficulty(2.0, (3, 5), 0.02, 0.15, 1, 0, 0.01, 0.0, 0.05, 0.02, -30, 3, 2.0, 0.3, 0, 0),
    "medium": Difficulty(3.5, (4, 7.5), 0.035, 0.35, 2, 1, 0.04, 0.10, 0.30, 0.10, -22, 7, 3.5, 1.0, 2, 0),
    "hard": Difficulty(5.0, (6, 10), 0.05, 0.55, 3, 3, 0.08, 0.30, 0.60, 0.22, -15, 12, 6.0, 2.0, 4, 2),
}


@dataclass(frozen=True)
class Sweep:
    """The pullback, frame by frame: arrays (n,) unless said otherwise.

    Attributes:
        positions_mm: along the probe, caudal positive, 0 at frame 0.
        wobble_mm: how much deeper (further from the probe) the tissue appears than in the TRUS world.
        drift_mm: patient-left offset of the sagittal image plane.
        gain_db: overall gain.
        sagittal_contact, transverse_contact: (m, 3) places as centre and width on the face (0 to 1) and loss in dB.
        contact_course: (n, m) how much of each loss holds in a frame, 0 to 1.
        spoilt: numbers of the frames that show nothing usable.
    """

    positions_mm: Series
    wobble_mm: Series
    drift_mm: Series
    gain_db: Series
    sagittal_contact: NDArray[np.float64]
    transverse_contact: NDArray[np.float64]
    contact_course: NDArray[np.float64]
    spoilt: tuple[int, ...]


def sweep(frames: int, extent_mm: float, level: Level, rng: np.random.Generator) -> Sweep:
    """A pullback of ``frames`` frames over ``extent_mm``, whatever their number."""
    how = LEVELS[level]
    positions = _course(frames, extent_mm, how, rng)
    wobble = 0.8 * how.wobble_mm * _slow(frames, rng) + 0.3 * how.wobble_mm * rng.standard_normal(frames)
    time = np.linspace(0, 1, frames)[:, None]
    begin, length = rng.uniform(0, 0.8, how.contacts), rng.uniform(0.15, 0.4, how.contacts)
    course = np.clip(np.minimum(time - begin, begin + length - time) / 0.04, 0, 1)
    places = [
        np.stack(
            [
                rng.uniform(0.05, 0.95, how.contacts),
                rng.uniform(0.015, 0.05, how.contacts),
                rng.uniform(8, 20, how.contacts),
            ],
            -1,
        )
        for _ in range(2)
    ]
    middle = np.arange(int(0.15 * frames), int(0.85 * frames))
    spoilt = rng.choice(middle, min(how.spoilt, len(middle) // 4), replace=False)
    return Sweep(
        positions,
        wobble,
        how.drift_mm * _slow(frames, rng),
        how.gain_db * _slow(frames, rng),
        places[0],
        places[1],
        course,
        tuple(sorted(int(n) for n in spoilt)),
    )


def _course(frames: int, extent_mm: float, how: Difficulty, rng: np.random.Generator) -> Series:
    """Positions: an uneven speed with pauses and slips back, integrated, and the hand's jitter."""
    ticks = 2000
    speed = 1 + how.unevenness * np.clip(_slow(ticks, rng, cycles=8), -1.6, 1.6)
    for count, share, value in ((how.pauses, 0.04, 0.0), (how.reversals, 0.02, -0.6)):
        for begin in rng.uniform(0.08, 0.9, count):
            speed[int(begin * ticks) : int((begin + share) * ticks)] = value
    speed = gaussian_filter1d(speed, 8, mode="nearest")
    path = np.concatenate([[0.0], np.cumsum(speed)])
    path *= extent_mm / path[-1]
    positions = np.interp(np.linspace(0, 1, frames), np.linspace(0, 1, ticks + 1), path)
    positions[1:] += how.jitter_mm * rng.standard_normal(frames - 1)
    return positions


def _slow(count: int, rng: np.random.Generator, cycles: float = 4) -> Series:
    """Smooth noise of variance 1 that varies a few times over its length."""
    course = np.linspace(0, 1, count)
    total = np.zeros(count)
    for n in np.arange(1, cycles + 1) - 0.5:
        total += rng.standard_normal() * np.cos(2 * np.pi * n * course + rng.uniform(0, 2 * np.pi))
    return total / np.sqrt(max(cycles, 1) / 2)
