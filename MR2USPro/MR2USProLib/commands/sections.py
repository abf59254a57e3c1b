"""The chapters of a report: what each stage's result means, in sentences, figures and pictures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..report import charts, pictures
from ..report.cuts import centre_of
from ..report.page import Section, Table
from ..report.tables import MEASURES, before_and_after, change, written
from ..volume import Volume

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..pipeline import Pair, Reconstruction
    from ..provenance import Record
    from ..translation.collapse import Health
    from ..translation.translating import Translation
    from ..video.exam import Exam
    from .demo import TruthFigures
    from .register import Scored


def facts(record: Record) -> dict[str, str]:
    """How it was made, for the end of a report."""
    content = record.as_dict()
    told = {name: str(version) for name, version in content["versions"].items()}
    told |= {name.replace("_", " "): str(value) for name, value in content["parameters"].items() if value is not None}
    told |= {f"time to {stage}": f"{seconds:.0f} s" for stage, seconds in content["seconds"].items()}
    told |= {f"{role.replace('_', ' ')} (SHA-256)": sign["sha256"][:16] for role, sign in content["inputs"].items()}
    return told


HOW = {"layers": "their grey levels", "sift": "SIFT features", "orb": "ORB features", "loftr": "LoFTR"}


def reconstruction_section(exam: Exam, result: Reconstruction, truth_mm: NDArray | None = None) -> Section:
    """The map, the positions (beside the true ones, where they are known) and the filled volume."""
    stitching = result.stitching
    rows_mm, columns_mm = exam.sagittal_spacing_mm
    positions = stitching.positions_mm(columns_mm)
    status = np.asarray(stitching.status)
    found = int(np.sum(status == "ok"))
    text = [
        f"{found} of {len(status)} frames were found on the sagittal map by {HOW[stitching.matcher]}; "
        f"the probe moved over {np.ptp(positions):.1f} mm."
    ]
    if stitching.matcher == "layers":
        text.append(
            f"Positions are off by about {stitching.position_error_px * columns_mm:.3f} mm on average, as far as parts "
            "of the frames disagree. On simulated exams and on sweeps cut from real B-mode at known places, five of "
            "each of three levels, this figure was 0.9 to 1.1 times the true error of a level, and 0.7 to 1.3 times "
            "that of a sweep. It cannot see what stretches all of a sweep alike."
        )
    if found < len(status):
        text.append(
            f"{np.sum(status == 'interpolated')} frames got a position between their neighbours, and "
            f"{np.sum(status == 'rejected')} were left out: look at them before you trust what lies around them."
        )
    if result.filling is not None:
        text.append(result.filling.sentence)
    elif np.all(result.placement.measured[:, result.placement.fan]):
        text.append("Frames lie in every plane of the volume, so that nothing had to be filled.")
    return Section(
        "Reconstruction",
        tuple(text),
        (
            charts.sagittal_map(stitching.map, columns_mm, rows_mm, positions),
            charts.positions_over_time(positions, stitching.status, truth_mm, stitching.confidence),
            pictures.filled_volume(result.placement.volume, result.volume),
        ),
    )


def translation_section(pair: Pair, translation: Translation) -> Section:
    """The pair before and after translation, and whether the translation can be trusted."""
    health = translation.health
    grid = pair.us.grid
    stopped = "" if translation.stopped is None else f" The fit was stopped at iteration {translation.stopped}."
    verdict = (
        "The translation collapsed and shows no anatomy. " + " ".join(health.reasons) + stopped
        if health.collapsed
        else "The MR was taken to the look of the TRUS, and no sign of collapse was found."
        if translation.method == "unsb"
        else "Both images were taken to one intermediate modality, and no sign of collapse was found."
    )
    shown = [pictures.translated_pair(pair.mr, pair.us, Volume(translation.mr, grid), Volume(translation.us, grid))]
    if translation.history:  # a network that was trained before has none
        shown.append(charts.loss_curves(translation.history))
    return Section(
        "Translation",
        (verdict, *pair.preparation),
        tuple(shown),
        (_signs_of_collapse(health),),
    )


def _start_sentence(metrics: dict[str, Any]) -> tuple[str, ...]:
    """What became of the start, where the glands were looked for."""
    if "start" not in metrics or len(metrics.get("guidance", {}).get("masks", ())) == 2:
        return ()
    start = metrics["start"]
    if not start["glands_recognised"]:
        marked = ", moved by the landmark pairs" if metrics.get("guidance", {}).get("points") else ""
        return (
            f"The glands were not recognised in their boxes (likeness {written(start['likeness'])}), so the "
            f"registration began at the start that was given{marked}.",
        )
    seen = f"The glands were recognised in their boxes (likeness {written(start['likeness'])})"
    if start["kept"]:
        return (
            f"{seen} and lie on each other already, as far as that can be seen, so the start stayed as it was given.",
        )
    return (f"{seen}, which moved the start by {start['moved_mm']:.1f} mm before anything was deformed.",)


def _structure_sentence(metrics: dict[str, Any]) -> tuple[str, ...]:
    """Whether both pictures show the same structure, where that was looked at."""
    if "structure" not in metrics:
        return ()
    seen = metrics["structure"]
    how = f"(agreement {written(seen['agreement'])}, two halves of the region {seen['disagreement_mm']:.1f} mm apart)"
    if seen["followed"]:
        return (f"Both pictures show the same structure {how}, and the MR was moved by it.",)
    why = (
        f"What both pictures seem to share {how} would part the glands as they are seen in their boxes and did not "
        "move the MR"
        if seen["parts_glands"]
        else f"The pictures share too little structure {how}, which did not move the MR"
    )
    guidance = metrics.get("guidance", {"masks": (), "points": 0})
    if len(guidance["masks"]) == 2 or guidance["points"]:
        return (f"{why}: only what was drawn and marked in both images did.",)
    return (
        f"{why}: the MR stays where the start brought it. Masks of both glands, landmark pairs or a network "
        "(--registration anatomy-aware) would move it.",
    )


def _left_out_sentence(metrics: dict[str, Any]) -> tuple[str, ...]:
    """The structures that nothing can be told about."""
    if not metrics.get("left_out"):
        return ()
    return (f"Only one of the images has {', '.join(metrics['left_out'])}: left out of every score.",)


def _doubts(metrics: dict[str, Any]) -> tuple[str, ...]:
    """Why the result is not to be believed, and what is there instead; nothing where all is well."""
    doubts = metrics["quality"]["doubts"]
    if not doubts:
        return ()
    return ("This result is doubtful.", *doubts, "transform_undeformed.h5 brings the MR there without deforming it.")


def _guidance_sentence(metrics: dict[str, Any]) -> tuple[str, ...]:
    """What was drawn or marked beforehand, and what it makes of the scores."""
    if "guidance" not in metrics:
        return ()
    guidance, sentences = metrics["guidance"], []
    if len(guidance["masks"]) == 2:
        sentences.append(
            "Masks of the gland in both images guided the registration, so that the overlap of these very outlines is "
            "no proof of it: only outlines and landmarks that it was not given are."
        )
    elif guidance["masks"]:
        image = {"moving": "MR", "fixed": "TRUS volume"}[guidance["masks"][0]]
        sentences.append(f"A mask of the gland in the {image} stood in for the box around it.")
    if guidance["points"]:
        sentences.append(
            f"{guidance['points']} landmark pairs guided the registration and lie {guidance['points_mean_mm']:.1f} mm "
            "apart now; that is no measure of its error."
        )
    return tuple(sentences)


def registration_sections(scored: Scored) -> list[Section]:
    """Overlay, checkerboard and figures; the deformation; the translated pair."""
    from ..registration.transforms import warp

    registration, us = scored.registration, scored.us
    before = warp(scored.mr, us.grid, scored.given)
    glands: tuple[Volume | None, Volume | None, Volume | None] = (None, None, None)
    tables: tuple[Table, ...] = ()
    if scored.moving_labels is not None and scored.fixed_labels is not None:
        moving = Volume(scored.moving_labels.gland.array.astype(np.uint8), scored.moving_labels.gland.grid)
        glands = (
            scored.fixed_labels.gland,
            warp(moving, us.grid, scored.given, label=True),
            warp(moving, us.grid, registration.transform, label=True),
        )
        tables = (before_and_after(scored.metrics["before"], scored.metrics["after"]),)
    overlay = Section(
        "Registration",
        (
            registration_verdict(scored.metrics),
            *_doubts(scored.metrics),
            *_start_sentence(scored.metrics),
            *_structure_sentence(scored.metrics),
            *_guidance_sentence(scored.metrics),
            *_left_out_sentence(scored.metrics),
        ),
        (
            pictures.overlay_cuts(us, before, registration.warped, *glands),
            pictures.checkerboard_cuts(us, before, registration.warped, *glands),
        ),
        tables,
    )
    text = [deformation_sentence(scored.metrics["deformation"])]
    if "uncertainty" in scored.metrics:
        spread = scored.metrics["uncertainty"]
        why = (
            "how far the motions that two halves of the region give are apart, scaled to the errors of simulated exams"
            if "structure" in scored.metrics
            else "how far samples of the diffusion differ, and how loosely the pictures hold it"
        )
        text.append(
            f"The field's uncertainty is {spread['mean_mm']:.1f} mm on average in the gland (95 % of it below "
            f"{spread['p95_mm']:.1f} mm): {why}. It knows of no mistake that looks right."
        )
    shown = [pictures.deformation_grid(us, scored.residual, centre_of(us, glands[0]))]
    if registration.fitted.history:
        shown.append(charts.loss_curves(registration.fitted.history))
    deformation = Section("Deformation", tuple(text), tuple(shown))
    sections = [overlay, deformation]
    if registration.translation is not None:
        sections.append(translation_section(registration.pair, registration.translation))
    return sections


def registration_verdict(metrics: Mapping) -> str:
    """What the labels say of a registration, or that there were none to say anything."""
    if "after" not in metrics:
        return "No labels were given, so nothing but the eye can judge this: look at the gland's border in every cut."
    parts = []
    for measure in MEASURES:
        if measure.key in ("dsc", "tre_mm") and metrics["after"][measure.key] is not None:
            before, after = metrics["before"][measure.key], metrics["after"][measure.key]
            mark = change(before, after, measure)
            parts.append(
                f"{measure.name}: {written(before, measure.unit, measure.digits)} before, "
                f"{written(after, measure.unit, measure.digits)} after ({mark.text})"
            )
    return ". ".join(parts) + "."


def deformation_sentence(deformation: Mapping) -> str:
    """The size and the smoothness of a deformation in words."""
    from ..registration.quality import share

    folded = deformation["folding"]["fraction"]
    fold = "It folds nowhere." if folded == 0 else f"It folds in {share(folded)} of the voxels: do not trust it there."
    return (
        f"Beyond the initial alignment the MR was moved by {deformation['mean_mm']:.1f} mm on average and "
        f"{deformation['max_mm']:.1f} mm at most. {fold} Harmonic energy: "
        f"{deformation['harmonic_energy']['voxel_mean']:.2g} per voxel."
    )


def truth_section(figures: TruthFigures) -> Section:
    """How far a simulated exam's results are from its truth."""
    off = figures["position_error_mm"]
    rows = [
        (name, written(figures["before"][key], "mm"), written(figures["after"][key], "mm"))
        for name, key in (
            ("Landmarks, mean distance", "tre_mm"),
            ("Landmarks, largest distance", "tre_max_mm"),
            ("Displacement inside the gland, mean error", "displacement_error_in_gland_mm"),
        )
    ]
    return Section(
        "Against the truth",
        (
            "The exam was simulated, so it is known where the probe was and how the tissue moved. The road saw nothing "
            "of that.",
            f"Frames were placed {off['mean']:.2f} mm from where they were, on average; 95 % within "
            f"{off['p95']:.2f} mm, the worst {off['max']:.2f} mm.",
        ),
        tables=(Table("Distance from the truth", ("Figure", "Before registration", "After"), tuple(rows)),),
    )


SIGNS = {
    "edges_mr": "Edges of the MR that were kept (1: all, 0: none)",
    "edges_us": "Edges of the TRUS that were kept",
    "contrast_mr": "Contrast of the MR, as a multiple of the original",
    "contrast_us": "Contrast of the TRUS, likewise",
    "grain_mr": "Share of the MR's variance that is finer than tissue",
    "grain_us": "Share of the TRUS's variance, likewise",
    "streaks_mr": "How far the MR's fine detail runs one way (2 and more: stripes)",
    "streaks_us": "How far the TRUS's does",
    "template": "Likeness of slices far apart (near 1 without edges: one picture for all)",
    "gap_before": "Difference between MR and TRUS before, in variances",
    "gap_after": "Difference between MR and TRUS after",
    "ruler": "What the measuring features still see, as a share of the start",
}


def _signs_of_collapse(health: Health) -> Table:
    rows = ((name, f"{getattr(health, key):.3g}") for key, name in SIGNS.items())
    return Table("Signs of collapse", ("Figure", "Value"), tuple(rows))
