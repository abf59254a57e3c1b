"""A simulated exam: the MR, the biplane sweep, and the truth that joins them."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from ..errors import InputError
from ..progress import SILENT, Progress
from ..volume import Grid, Volume
from .probe import PROBE
from .sagittal import SagittalView
from .scene import Scene, patient_scene, t2_scene
from .sweep import LEVELS, sweep
from .sweep import Level as Level
from .tissues import LABELS, ZONES
from .transverse import TransverseView
from .ultrasound import scatter


@dataclass(frozen=True)
class SimulatedExam:
    """What the scanners show, and what is true.

    Attributes:
        sagittal, transverse: uint8 (frame, row, column); columns run to the feet and to the patient's left.
        sagittal_spacing_mm, transverse_spacing_mm: (row, column).
        positions_mm: (n,) of the frames along the probe, relative to frame 0, caudal positive.
        wobble_mm: (n,) how much deeper the tissue appears in a frame than in the TRUS world: a point at TRUS y is
            shown in row (-y + wobble) / row spacing of both views.
        spoilt: numbers of the frames that show nothing usable.
        mr: the T2 image.
        mr_label, us_label: structures in the MR and in the TRUS world (``LABELS``; 1 is the prostate but for what it
            encloses); None where the MR was given without them.
        mr_zones, us_zones: what the prostate and its neighbourhood consist of (``ZONES``); None where the MR was given.
        landmarks: names of matched points.
        us_points_mm, mr_points_mm: (m, 3), LPS.
        transform: TRUS LPS -> MR LPS: the truth.
        deformation: figures about it, in mm and degrees.
        level, seed: what was asked for.
    """

    sagittal: NDArray[np.uint8]
    transverse: NDArray[np.uint8]
    sagittal_spacing_mm: tuple[float, float]
    transverse_spacing_mm: tuple[float, float]
    positions_mm: NDArray[np.float64]
    wobble_mm: NDArray[np.float64]
    spoilt: tuple[int, ...]
    mr: Volume
    mr_label: Volume | None
    us_label: Volume | None
    mr_zones: Volume | None
    us_zones: Volume | None
    landmarks: tuple[str, ...]
    us_points_mm: NDArray[np.float64]
    mr_points_mm: NDArray[np.float64]
    transform: sitk.Transform
    deformation: dict[str, float]
    level: Level
    seed: int


def simulate(
    *,
    frames: int = 180,
    level: Level = "medium",
    seed: int = 0,
    mr: Volume | None = None,
    mr_label: Volume | None = None,
    progress: Progress = SILENT,
) -> SimulatedExam:
    """Simulate an exam.

    Args:
        frames: of the sweep; sets its speed, not its extent.
        level: how much deformation, noise, static content, decorrelation and unsteadiness there is.
        seed: of everything random; the same seed gives the same exam.
        mr: a T2 image to make the tissue from, instead of an invented patient.
        mr_label: of that image, 1 the prostate; without it the prostate is taken to lie in the image's middle.
        progress: told about every slice and frame.

    Raises:
        InputError: fewer than two frames, an unknown level, or an image that does not hold what a sweep covers.
    """
    if frames < 2:
        raise InputError(f"A sweep of {frames} frame(s) cannot be simulated: ask for at least 2.")
    if level not in LEVELS:
        raise InputError(f"There is no level {level!r}: choose one of {', '.join(get_args(Level))}.")
    if mr is None and mr_label is not None:
        raise InputError("A label without its MR cannot be simulated: give the MR too.")
    patient, motion, speckle, imaging = (np.random.default_rng((seed, stream)) for stream in range(4))
    how = LEVELS[level]
    share = progress.part(0.0, 0.55)
    scene = patient_scene(how, patient, share) if mr is None else t2_scene(mr, mr_label, how, patient, share)
    course = sweep(frames, scene.extent_mm, level, motion)
    last_mm = float(course.positions_mm.max())
    scatterers = scatter(scene.acoustics, -(last_mm + 3), speckle, progress.part(0.55, 0.65))
    sagittal_view = SagittalView(scatterers, scene.acoustics, how, imaging)
    transverse_view = TransverseView(scatterers, scene.acoustics, how, imaging)
    sagittal = np.empty((frames, *PROBE.sagittal_shape), np.uint8)
    transverse = np.empty((frames, *PROBE.transverse_shape), np.uint8)
    for n in progress.part(0.65, 1.0).steps(frames, "frames"):
        sagittal[n] = sagittal_view.frame(n, course)
        transverse[n] = transverse_view.frame(n, course)
    return _assemble(scene, course.positions_mm, course.wobble_mm, course.spoilt, sagittal, transverse, level, seed)


def _assemble(
    scene: Scene,
    positions_mm: NDArray[np.float64],
    wobble_mm: NDArray[np.float64],
    spoilt: tuple[int, ...],
    sagittal: NDArray[np.uint8],
    transverse: NDArray[np.uint8],
    level: Level,
    seed: int,
) -> SimulatedExam:
    anatomy_points = np.array(list(scene.landmarks.values()))
    return SimulatedExam(
        sagittal=sagittal,
        transverse=transverse,
        sagittal_spacing_mm=(PROBE.sagittal_spacing_mm,) * 2,
        transverse_spacing_mm=(PROBE.transverse_spacing_mm,) * 2,
        positions_mm=positions_mm,
        wobble_mm=wobble_mm,
        spoilt=spoilt,
        mr=scene.mr,
        mr_label=scene.mr_label,
        us_label=scene.us_label,
        mr_zones=scene.mr_zones,
        us_zones=scene.us_zones,
        landmarks=tuple(scene.landmarks),
        us_points_mm=scene.pose.to_trus(anatomy_points),
        mr_points_mm=anatomy_points + scene.pose.scanner_mm,
        transform=scene.pose.to_sitk(),
        deformation=scene.deformation(),
        level=level,
        seed=seed,
    )


def write_exam(exam: SimulatedExam, folder: Path) -> list[Path]:
    """Write images, labels, transform, landmarks and ``truth.json`` into a folder; the files, in that order.

    The stacks are ``sagittal.mha`` and ``transverse.mha`` (column, row, frame), with the in-plane spacing in their
    headers. ``landmarks.csv`` has the columns ``name,moving_x,moving_y,moving_z,fixed_x,fixed_y,fixed_z`` in mm LPS,
    moving the MR and fixed the TRUS world.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    written: dict[str, Path] = {}
    for name, stack, spacing in (
        ("sagittal", exam.sagittal, exam.sagittal_spacing_mm),
        ("transverse", exam.transverse, exam.transverse_spacing_mm),
    ):
        written[name] = folder / f"{name}.mha"
        Volume(stack, Grid(stack.shape, (spacing[1], spacing[0], 1.0))).write(written[name])
    for name in ("mr", "mr_label", "us_label", "mr_zones", "us_zones"):
        volume: Volume | None = getattr(exam, name)
        if volume is not None:
            written[name] = folder / f"{name}.nrrd"
            volume.write(written[name])
    written["transform"] = folder / "truth_transform.h5"
    sitk.WriteTransform(exam.transform, str(written["transform"]))
    written["landmarks"] = folder / "landmarks.csv"
    points = np.hstack([exam.mr_points_mm, exam.us_points_mm])
    with written["landmarks"].open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["name", "moving_x", "moving_y", "moving_z", "fixed_x", "fixed_y", "fixed_z"])
        rows.writerows(
            [name, *(f"{value:.4f}" for value in point)] for name, point in zip(exam.landmarks, points, strict=True)
        )
    written["truth"] = folder / "truth.json"
    truth = {
        "seed": exam.seed,
        "level": exam.level,
        "frames": len(exam.positions_mm),
        "positions_mm": np.round(exam.positions_mm, 5).tolist(),
        "wobble_mm": np.round(exam.wobble_mm, 5).tolist(),
        "spoilt_frames": list(exam.spoilt),
        "sagittal_spacing_mm": list(exam.sagittal_spacing_mm),
        "transverse_spacing_mm": list(exam.transverse_spacing_mm),
        "labels": {str(value): name for value, name in LABELS.items()} if exam.us_label else {},
        "zones": {str(value): name for value, name in ZONES.items()} if exam.us_zones else {},
        "landmarks": {
            name: {"us_mm": np.round(us, 4).tolist(), "mr_mm": np.round(mr, 4).tolist()}
            for name, us, mr in zip(exam.landmarks, exam.us_points_mm, exam.mr_points_mm, strict=True)
        },
        "deformation": {name: round(value, 4) for name, value in exam.deformation.items()},
        "files": {name: path.name for name, path in written.items()},
    }
    written["truth"].write_text(json.dumps(truth, indent=2) + "\n", encoding="utf-8")
    return list(written.values())
