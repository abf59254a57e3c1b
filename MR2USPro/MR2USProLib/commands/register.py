"""``register``: an MR is brought onto a TRUS volume."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from .. import pipeline
from ..devices import prepare
from ..errors import InputError
from ..memory import check_fits
from ..outputs import spare, staged, write_json
from ..progress import SILENT, Progress
from ..provenance import Record
from ..volume import Volume
from ..weights import read_weights
from .registration_figures import registration_figures

if TYPE_CHECKING:
    import SimpleITK as sitk

    from ..devices import Device
    from ..evaluation.labels import Labels

OPTIONAL = ("mr_translated.nrrd", "us_translated.nrrd", "uncertainty.nrrd", "warped_label.nrrd")
"""What some registrations write and others do not."""
RESULTS = ("warped.nrrd", "displacement.nrrd", "transform.h5", "transform_undeformed.h5", *OPTIONAL)
"""What might be an input of another one."""


@dataclass(frozen=True)
class Scored:
    """A registration with its images, what is known of the truth, and every figure about it.

    Attributes:
        given: the start that was given, fixed to moving points, LPS mm; ``registration.pair.initial`` may better it.
        residual: the displacement (LPS mm, on the fixed grid) beyond the initial alignment, which is no deformation.
        metrics: what ``metrics.json`` holds: ``before``, ``undeformed`` and ``after`` (where labels were given),
            ``start`` (where the glands were looked for), ``guidance`` (where masks or landmark pairs were given),
            ``deformation``, ``quality``, ``uncertainty`` (where the method knows one) and ``translation`` (where there
            was one).
    """

    mr: Volume
    us: Volume
    registration: pipeline.Registration
    given: sitk.Transform
    residual: Volume
    moving_labels: Labels | None
    fixed_labels: Labels | None
    metrics: dict[str, Any]


def run(
    *,
    out: Path,
    moving: Path,
    fixed: Path,
    initial: str = "none",
    translation: pipeline.TranslationMethod | Literal["none", "auto"] = "auto",
    registration: pipeline.RegistrationMethod | Literal["auto"] = "auto",
    preset: pipeline.Preset = "balanced",
    fixed_roi: tuple[float, ...] | None = None,
    moving_roi: tuple[float, ...] | None = None,
    double_slices: bool = False,
    find_glands: bool = True,
    weights: Path | None = None,
    refine: bool = True,
    incompressible: bool = False,
    moving_mask: Path | None = None,
    fixed_mask: Path | None = None,
    moving_points: Path | None = None,
    fixed_points: Path | None = None,
    moving_label: Path | None = None,
    fixed_label: Path | None = None,
    seed: int = 0,
    device: Device = "auto",
    threads: int | None = None,
    progress: Progress = SILENT,
) -> tuple[Scored, Record]:
    """Register a pair and write warped, displacement, transform, translated pair, metrics and reports to ``out``.

    ``transform_undeformed.h5`` is the start from which the MR was deformed: what to fall back on where the quality is
    doubtful. Also ``uncertainty.nrrd`` (mm, on the networks' grid) where the method knows one.

    Raises:
        InputError: an image, label or transform cannot be read or would be replaced by a result, the two images do not
            overlap, or ``out`` cannot be written.
    """
    from ..evaluation.labels import read_labels, shared
    from ..registration.guidance import Guidance, read_guidance
    from ..registration.initial import named_file
    from ..registration.transforms import displacement_on, warp, write_transform
    from ..report.page import render
    from .sections import facts, registration_sections

    if (moving_label is None) != (fixed_label is None):
        raise InputError("Labels of only one image cannot score anything: give --moving-label and --fixed-label.")
    if moving_mask is not None and fixed_mask is None and fixed_roi is None:
        raise InputError(
            "A mask of the MR alone tells nothing: give one of the TRUS volume (--fixed-mask), or a box (--fixed-roi)."
        )
    if moving_roi is not None and fixed_roi is None and fixed_mask is None:
        raise InputError("A box in the MR alone tells nothing: give one in the TRUS volume too (--fixed-roi).")
    pose, pose_file = named_file(initial)
    inputs = {
        "moving": moving,
        "fixed": fixed,
        "initial": pose_file,
        "weights": weights,
        "moving_mask": moving_mask,
        "fixed_mask": fixed_mask,
        "moving_points": moving_points,
        "fixed_points": fixed_points,
        "moving_label": moving_label,
        "fixed_label": fixed_label,
    }
    spare(out, RESULTS, inputs.values())
    with staged(out, OPTIONAL) as folder:
        place = prepare(device, threads)
        trained = read_weights(Path(weights)) if weights else None
        translation, registration = pipeline.methods_for(translation, registration, trained)
        if place == "cpu":
            check_fits(registration, preset, translation)
        mr, us = pipeline.read_pair(moving, fixed)
        if double_slices:
            mr = pipeline.double_slices(mr, progress.named("Paint slices"))
        moving_labels = read_labels(moving_label) if moving_label else None
        fixed_labels = read_labels(fixed_label) if fixed_label else None
        if moving_labels is not None and fixed_labels is not None:
            shared(moving_labels, fixed_labels)  # labels that do not match are told before the work
        guidance = read_guidance(moving_mask, fixed_mask, moving_points, fixed_points)
        mr_box, us_box = (None if box is None else box.region_mm for box in guidance.boxes())
        region = fixed_roi or us_box
        found = None
        if find_glands and region is not None:
            found = pipeline.find_start(
                mr,
                us,
                initial=initial,
                region_mm=us_box or region,
                mr_region_mm=mr_box or moving_roi,
                keep_well_laid=not guidance.leads,
                weights=trained,
            )
        start = initial if found is None else found.transform
        led = pipeline.guided_start(mr, us, guidance, initial=start, region_mm=region)
        pair = pipeline.pair_up(mr, us, initial=led, region_mm=region, preset=preset)
        parameters = {
            "initial": pose,
            "translation": translation,
            "registration": registration,
            "preset": preset,
            "fixed_roi": fixed_roi,
            "moving_roi": moving_roi,
            "find_glands": find_glands,
            "double_slices": double_slices,
            "refine": refine if weights else None,
            "incompressible": incompressible,
            "seed": seed,
            "device": place,
            "threads": threads,
        }
        record = Record("register", parameters, inputs)
        with record.timed("register"):
            result = pipeline.register(
                mr,
                us,
                pair,
                translation=translation,
                registration=registration,
                weights=trained,
                refine=refine,
                incompressible=incompressible,
                guidance=guidance,
                glands=None if found is None else found.glands,
                seed=seed,
                device=place,
                progress=progress,
            )
        displacement = displacement_on(us.grid, result.transform)
        undeformed = displacement_on(us.grid, result.pair.initial)
        residual = Volume(displacement.array - undeformed.array, us.grid)
        given = pipeline.guided_start(mr, us, Guidance(), initial=initial, region_mm=region)
        metrics = registration_figures(
            result, found, given, guidance, displacement, residual, moving_labels, fixed_labels
        )
        scored = Scored(mr, us, result, given, residual, moving_labels, fixed_labels, metrics)
        result.warped.write(folder / "warped.nrrd")
        displacement.write(folder / "displacement.nrrd")
        write_transform(folder / "transform.h5", result.transform)
        write_transform(folder / "transform_undeformed.h5", result.pair.initial)
        if result.translation is not None:
            Volume(result.translation.mr, pair.us.grid).write(folder / "mr_translated.nrrd")
            Volume(result.translation.us, pair.us.grid).write(folder / "us_translated.nrrd")
        uncertainty = result.uncertainty()
        if uncertainty is not None:
            uncertainty.write(folder / "uncertainty.nrrd")
        if moving_labels is not None:
            warp(moving_labels.map, us.grid, result.transform, label=True).write(folder / "warped_label.nrrd")
        write_json(folder / "metrics.json", scored.metrics)
        record.results = {**scored.metrics, "preparation": result.pair.preparation}
        sections = registration_sections(scored)
        page = render("Registration of an MR to a TRUS volume", sections[0].text[0], sections, facts(record))
        (folder / "report.html").write_text(page, "utf-8")
        write_json(folder / "report.json", record.as_dict())
    return scored, record
