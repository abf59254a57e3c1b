"""Whether a registration is to be believed, judged from the images and rough boxes alone.

What the finder saw of both glands (:mod:`.finder`) is independent of the registration that follows. A transform that
lays one of them where the other is not is more likely wrong than both sights; the overlap that it leaves, against the
overlap before, tells a registration that did harm from one that did not. What does not hold together by itself (a way
back that leads elsewhere, folds, samples that disagree) is doubtful whatever the glands say.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from .transforms import map_points

Array = NDArray[np.float64]

POINTS = 4000
"""With which volumes are measured: an overlap is right to about 0.01."""
REACH = 1.6
"""How far around the gland they are scattered, in half edges."""
LOST_OVERLAP = 0.03
"""A deformation that parts the two glands by more is doubtful, unless something else than the glands speaks for it."""
LEAST_OVERLAP = 0.7
PARTED_OVERLAP = 0.75
"""Of glands that the finder's start had laid on each other. It errs by some millimetres, so what is right parts them a
little: right motions left 0.81 to 0.93 on fifteen simulated exams, wrong ones 0.56 to 0.65 on three real pairs."""
LARGEST_DETOUR_MM = 1.0
LARGEST_SPREAD_MM = 3.0


@dataclass(frozen=True)
class Ellipsoid:
    """A gland as seen in a box.

    Attributes:
        centre_mm: (3,) LPS.
        axes_mm: (3, 3), half axes as columns.
    """

    centre_mm: Array
    axes_mm: Array

    def holds(self, points_mm: Array) -> NDArray[np.bool_]:
        """Which of the points (n, 3) are inside."""
        unit = np.linalg.solve(self.axes_mm, (points_mm - self.centre_mm).T)
        return np.asarray((unit**2).sum(axis=0) <= 1)

    def moved(self, affine: sitk.AffineTransform) -> Ellipsoid:
        """Where a transform of points brings it."""
        matrix = np.reshape(affine.GetMatrix(), (3, 3))
        return Ellipsoid(np.array(affine.TransformPoint(self.centre_mm.tolist())), matrix @ self.axes_mm)


@dataclass(frozen=True)
class Glands:
    """Both glands, each in its own image."""

    mr: Ellipsoid
    us: Ellipsoid

    def overlap(self, transform: sitk.Transform) -> float:
        """Their Dice coefficient in the TRUS under a transform of TRUS to MR points, LPS mm; 1 is as well as can be."""
        rng = np.random.default_rng(0)
        directions = rng.normal(size=(POINTS, 3))
        radii = REACH * rng.uniform(size=(POINTS, 1)) ** (1 / 3)
        ball = directions / np.linalg.norm(directions, axis=1, keepdims=True) * radii
        points = self.us.centre_mm + ball @ self.us.axes_mm.T
        here, there = self.us.holds(points), self.mr.holds(map_points(points, transform))
        return float(2 * (here & there).sum() / max(here.sum() + there.sum(), 1))


@dataclass(frozen=True)
class Quality:
    """How far a registration is to be believed; what is not known is None.

    Attributes:
        overlap_undeformed: of the two glands as they were seen in their boxes, before anything was deformed.
        overlap_after: the same in the end.
        detour_mm: 95th percentile of how far the way there and back leads from where it began.
        folding: share of the voxels.
        spread_mm: mean uncertainty of the deformation in the gland.
        agreed: whether two halves of the region found the same motion, each by itself.
    """

    overlap_undeformed: float | None
    overlap_after: float | None
    detour_mm: float
    folding: float
    spread_mm: float | None
    agreed: bool = False

    @property
    def doubts(self) -> tuple[str, ...]:
        """Why it is not to be believed, a sentence each; none where nothing speaks against it."""
        return tuple(self._doubts())

    def _doubts(self) -> Iterator[str]:
        if self.overlap_after is not None and self.overlap_undeformed is not None:
            allowed = PARTED_OVERLAP if self.agreed else self.overlap_undeformed - LOST_OVERLAP
            if self.overlap_after < min(allowed, self.overlap_undeformed):
                yield (
                    "The deformation parts the glands as they are seen in their boxes: their overlap went from "
                    f"{self.overlap_undeformed:.2f} to {self.overlap_after:.2f}."
                )
            elif self.overlap_after < LEAST_OVERLAP:
                yield f"The glands as they are seen in their boxes overlap by {self.overlap_after:.2f} only."
        if self.folding > 0:
            yield f"The deformation folds {share(self.folding)} of the tissue over itself."
        if self.detour_mm > LARGEST_DETOUR_MM:
            yield f"There and back again leads {self.detour_mm:.1f} mm away from where it began."
        if self.spread_mm is not None and self.spread_mm > LARGEST_SPREAD_MM:
            yield f"Its uncertainty is {self.spread_mm:.1f} mm on average in the gland."

    def as_dict(self) -> dict[str, float | bool | list[str] | None]:
        """For ``metrics.json``."""
        return {
            "doubtful": bool(self.doubts),
            "doubts": list(self.doubts),
            "overlap_undeformed": self.overlap_undeformed,
            "overlap_after": self.overlap_after,
            "detour_p95_mm": self.detour_mm,
            "folding": self.folding,
            "spread_mm": self.spread_mm,
        }


def share(fraction: float) -> str:
    """In per cent; what is more than nothing is never called 0."""
    return "less than 0.01 %" if 0 < fraction < 0.5e-4 else f"{100 * fraction:.2f} %"


def detour_mm(
    displacement: NDArray[np.float32], inverse: NDArray[np.float32], valid: NDArray[np.bool_], spacing_mm: Array
) -> float:
    """How far the way there and back leads from where it began, mm: the 95th percentile.

    Args:
        displacement: (k, j, i, 3) in voxels along (i, j, k), fixed to moving.
        inverse: the same, moving to fixed.
        valid: (k, j, i), where it is looked at.
        spacing_mm: (3,), voxel size along (i, j, k).
    """
    from scipy.ndimage import map_coordinates

    there = np.argwhere(valid)[:, ::-1] + displacement[valid]
    back = np.stack([map_coordinates(inverse[..., n], there[:, ::-1].T, order=1, mode="nearest") for n in range(3)], 1)
    inside = ((there >= 0) & (there <= np.array(valid.shape[::-1]) - 1)).all(axis=1)
    off = (displacement[valid] + back)[inside] * spacing_mm
    return float(np.percentile(np.linalg.norm(off, axis=1), 95)) if len(off) else 0.0
