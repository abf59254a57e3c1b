"""The world of one exam: where the prostate lies before the probe and in the scanner, and what it is made of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from ..errors import InputError
from ..progress import SILENT, Progress
from ..volume import Grid, Volume
from .acoustics import Acoustics, from_anatomy, from_t2
from .anatomy import Anatomy
from .deformation import Points, Pose, random_pose
from .mr import acquire, oblique_grid
from .probe import PROBE
from .sweep import Difficulty

ACOUSTIC_MM = 0.5
LEAST_SWEEP_MM, MOST_SWEEP_MM = 50.0, 58.0


@dataclass(frozen=True)
class Scene:
    """All that the probe and the scanner meet.

    Attributes:
        pose: TRUS world -> anatomy -> MR.
        acoustics: the tissue in the TRUS world.
        extent_mm: length of the sweep.
        landmarks: anatomy points by name.
        inside_mm: anatomy points (n, 3) spread over the gland.
        mr, mr_label, us_label, mr_zones, us_zones: as in ``SimulatedExam``.
    """

    pose: Pose
    acoustics: Acoustics
    extent_mm: float
    landmarks: dict[str, NDArray[np.float64]]
    inside_mm: Points
    mr: Volume
    mr_label: Volume | None = None
    us_label: Volume | None = None
    mr_zones: Volume | None = None
    us_zones: Volume | None = None

    def deformation(self) -> dict[str, float]:
        """Figures about the truth: lengths in mm over the gland, the rotation in degrees."""
        points = self.pose.to_trus(self.inside_mm)
        moved = (self.inside_mm @ self.pose.rotation + self.pose.centre_mm) - points
        flow = np.linalg.norm(moved - moved.mean(0), axis=1)
        a, b = points - points.mean(0), self.inside_mm - self.inside_mm.mean(0)
        fit, _ = Rotation.align_vectors(b, a)
        rest = np.linalg.norm(fit.apply(a) - b, axis=1)
        trus_centre = np.array([0, -PROBE.depth_mm / 2, -self.extent_mm / 2])
        centres = (points.mean(0) - trus_centre) - (
            self.inside_mm.mean(0) + self.pose.scanner_mm - self.mr.grid.centre_mm
        )
        jacobian = self.pose.jacobian()
        return {
            "displacement_mean_mm": float(flow.mean()),
            "displacement_max_mm": float(flow.max()),
            "beyond_rigid_mean_mm": float(rest.mean()),
            "beyond_rigid_max_mm": float(rest.max()),
            "rotation_deg": float(np.rad2deg(Rotation.from_matrix(self.pose.rotation).magnitude())),
            "gland_offset_with_centres_aligned_mm": float(np.linalg.norm(centres)),
            "jacobian_min": float(jacobian.min()),
            "jacobian_max": float(jacobian.max()),
        }


def patient_scene(how: Difficulty, rng: np.random.Generator, progress: Progress = SILENT) -> Scene:
    """An invented patient, deformed, and his MR."""
    progress.report(0.0, "anatomy")
    anatomy = Anatomy(rng)
    axis = np.arange(-30.0, 30.1, 2.0)
    lattice = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3)
    inside = lattice[anatomy.sample(lattice).gland < 0]
    pose = random_pose(inside, anatomy.half_mm, how.deformation_mm, how.rotation_deg, rng)
    points = pose.to_trus(inside)
    # The rectum's front wall lies on the probe's face, on the average of the sweep.
    behind = np.arange(0.0, 45.0, 0.25)
    along = np.arange(points[:, 2].min(), points[:, 2].max(), 4.0)
    line = np.stack(np.broadcast_arrays(0.0, behind, along[:, None]), -1)
    rectum = anatomy.sample(pose.to_anatomy(line)).rectum.reshape(line.shape[:2])
    wall_y = float(np.mean(behind[(rectum < 0).argmax(axis=1)])) + 0.2
    top, extent = _cover(points, rng)
    by = np.array([rng.uniform(-2, 2), -PROBE.face_mm - wall_y, top])
    pose = pose.shifted(by, rng.uniform(-60, 60, 3))
    acoustics, label, zones = from_anatomy(
        anatomy, pose, _acoustic_grid(extent), -(extent + 5), progress.part(0.05, 0.55)
    )
    trus_centre = np.array([0, -PROBE.depth_mm / 2, -extent / 2])
    off_centre = _fov_offset(points.mean(0) + by - trus_centre, rng)
    grid = oblique_grid(rng, pose.scanner_mm + inside.mean(0) - off_centre)
    mr, mr_label, mr_zones = acquire(anatomy, grid, pose.scanner_mm, how.mr_noise, rng, progress.part(0.55, 1.0))
    seen = _label_grid(acoustics.grid, extent)
    first = np.round(acoustics.grid.to_index(seen.origin_mm)).astype(int)[::-1]
    cut = tuple(slice(f, f + n) for f, n in zip(first, seen.shape, strict=True))
    return Scene(
        pose, acoustics, extent, anatomy.landmarks(), inside, mr,
        mr_label, Volume(label[cut], seen), mr_zones, Volume(zones[cut], seen),
    )  # fmt: skip


def t2_scene(
    mr: Volume, label: Volume | None, how: Difficulty, rng: np.random.Generator, progress: Progress = SILENT
) -> Scene:
    """The tissue of a given T2 image, deformed.

    Raises:
        InputError: not one channel, nothing to see, no prostate in the label, or too small for a sweep.
    """
    progress.report(0.0, "anatomy")
    if mr.array.ndim != 3:
        raise InputError("The MR has several channels: give one with a single grey level per voxel.")
    if not np.isfinite(mr.array).all() or mr.array.min() == mr.array.max():
        raise InputError(
            "The MR holds voxels that are no numbers, or one value everywhere: give one that shows tissue."
        )
    centre, half = _prostate(mr, label)
    box = centre + np.array([[i, j, k] for i in (-1, 1) for j in (-1, 1) for k in (-1, 1)]) * np.maximum(half, 14)
    if not mr.grid.contains(box).all():
        raise InputError(
            f"The MR spans {' x '.join(f'{e:.0f}' for e in mr.grid.extent_mm)} mm, which is too small for a sweep: "
            f"give one that holds {' x '.join(f'{2 * h:.0f}' for h in half)} mm (left-right, front-back, head-feet) "
            "about the prostate."
        )
    axis = np.linspace(-1, 1, 25)
    lattice = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3)
    inside = lattice[(lattice**2).sum(1) < 1] * half
    if label is not None:
        here = np.round(label.grid.to_index(inside + centre)).astype(int)
        here = np.clip(here, 0, np.asarray(label.grid.size) - 1)
        inside = inside[label.array[here[:, 2], here[:, 1], here[:, 0]] == 1]
    pose = random_pose(inside, half, how.deformation_mm, how.rotation_deg, rng)
    points = pose.to_trus(inside)
    top, extent = _cover(points, rng)
    behind = points[:, 1].max() + rng.uniform(4, 6)  # the rectal wall
    pose = pose.shifted((rng.uniform(-2, 2), -PROBE.face_mm - behind, top), centre)
    progress.report(0.1, "tissue before the probe")
    acoustics = from_t2(mr, pose.to_sitk(), _acoustic_grid(extent), progress.part(0.1, 1.0))
    us_label = None
    if label is not None:
        us_label = label.resampled(_label_grid(acoustics.grid, extent), pose.to_sitk(), "nearest")
        us_label = Volume(us_label.array.astype(np.uint8), us_label.grid)
    chosen = inside[rng.choice(len(inside), 12, replace=False)]
    landmarks = {f"point {n}": point for n, point in enumerate(chosen, 1)}
    return Scene(pose, acoustics, extent, landmarks, inside, mr, label, us_label)


def _prostate(mr: Volume, label: Volume | None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Centre (LPS) and half axes of the label's box, or of an average prostate in the image's middle."""
    if label is None:
        return mr.grid.centre_mm, np.array([22.0, 15.0, 19.0])
    found = np.argwhere(label.array == 1)
    if len(found) < 50:
        raise InputError("The MR's label shows no prostate: give one in which the prostate has the value 1.")
    world = label.grid.to_world(found[:, ::-1])
    return (world.max(0) + world.min(0)) / 2, (world.max(0) - world.min(0)) / 2


def _cover(points: Points, rng: np.random.Generator) -> tuple[float, float]:
    """TRUS z to give the points' origin, and the sweep's length, for margins above the base and below the apex."""
    above, below = rng.uniform(5, 7), rng.uniform(4, 6)
    length = float(np.ptp(points[:, 2])) + above + below
    extent = float(np.clip(length, LEAST_SWEEP_MM, MOST_SWEEP_MM))
    return -(above + (extent - length) / 2) - float(points[:, 2].max()), extent


def _fov_offset(gland_in_trus: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Where the gland lies from the MR's centre, so that with the volumes' centres aligned 3 to 8 mm remain."""
    for _ in range(1000):
        remains = rng.standard_normal(3)
        remains *= rng.uniform(3, 8) / np.linalg.norm(remains)
        offset = gland_in_trus - remains
        if np.linalg.norm(offset) < 5:
            return offset
    return gland_in_trus * (1 - 7.0 / np.linalg.norm(gland_in_trus))


def _acoustic_grid(extent_mm: float) -> Grid:
    """All that either view ever sees, and a margin for the wobble and the spread of the beams."""
    h = ACOUSTIC_MM
    columns = 2 * round((PROBE.width_mm / 2 + 1) / h)
    rows = round((PROBE.depth_mm + 6) / h)
    slices = round((extent_mm + PROBE.length_mm + 10) / h)
    return Grid(
        (slices, rows, columns), (h, h, h), (-(columns - 1) * h / 2, 3 - h / 2, 4 - h / 2), np.diag([1, -1, -1])
    )


def _label_grid(acoustic: Grid, extent_mm: float) -> Grid:
    """The part of the acoustic grid that the transverse frames show."""
    half = PROBE.width_mm / 2
    return acoustic.cropped_to((-half, -PROBE.depth_mm, -extent_mm), (half, 0, 0))
