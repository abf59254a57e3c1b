"""What a registration's figures mean, in sentences and as rows of a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from slicer.i18n import tr as _

Metrics = Mapping[str, Any]
"""The figures of a registration by name, as the worker reports them."""

GREAT_SHIFT_MM = 15.0
LITTLE_SHIFT_MM = 0.2
NOTICEABLE = {"dsc": 0.005, "tre_mm": 0.1}
"""Changes of a score that are too small to be called better or worse."""


class Row(NamedTuple):
    """A figure: what it is, before and after (or for a single figure only after), and its unit."""

    figure: str
    before: str
    after: str
    unit: str


UNDEFORMED = "undeformed_kept"
"""Among the figures where the deformation was let go of."""


def verdict(metrics: Metrics) -> list[str]:
    """What changed, whether it can be, and what to look at, in sentences; the most important first."""
    if metrics.get(UNDEFORMED):
        sentences = [
            _(
                "The MR is kept undeformed, where the start brought it; the report, which says so at its top, shows "
                "the deformation that was let go of. Register again for a deformation."
            )
        ]
    else:
        sentences = warnings(metrics)
    if "after" in metrics:
        sentences += _scored(metrics)
    guidance = metrics.get("guidance", {})
    drawn = len(guidance.get("masks", ())) == 2
    start = None if drawn else metrics.get("start")  # there where boxes were drawn
    if start is not None and start["glands_recognised"] and start.get("kept"):  # scenes of before do not tell
        sentences.append(
            _("The glands were recognised in their boxes and lie on each other already: the start stayed.")
        )
    elif start is not None and start["glands_recognised"]:
        sentences.append(
            _("The glands were recognised in their boxes, which moved the start by {n:.1f} mm.").format(
                n=start["moved_mm"]
            )
        )
    elif start is not None and guidance.get("points"):
        sentences.append(_("The glands were not recognised in their boxes: only your points moved the start."))
    elif start is not None:
        sentences.append(_("The glands were not recognised in their boxes: the start stayed where you put it."))
    if drawn:
        sentences.append(_("The glands that you drew guided it: how well these very outlines overlap proves nothing."))
    if not metrics.get(UNDEFORMED):
        sentences += _moved(metrics)
    if "after" not in metrics:
        sentences.append(_("No segmentations were given, so only your eye can judge the result: review it below."))
    return sentences


def level(metrics: Metrics) -> str:
    """How good the news of :func:`verdict` is: ``good`` where scores say so, ``note``, ``check`` or ``bad``."""
    if metrics.get(UNDEFORMED):
        return "note"
    if worse(metrics):
        return "bad"
    if warnings(metrics):
        return "check"
    proven = len(metrics.get("guidance", {}).get("masks", ())) < 2  # outlines that guided prove nothing
    return "good" if proven and 1 in (_change(metrics, "dsc"), _change(metrics, "tre_mm")) else "note"


def _moved(metrics: Metrics) -> list[str]:
    """What moved the MR beyond the start, and how far."""
    sentences = []
    guidance = metrics.get("guidance", {})
    if guidance.get("points"):
        sentences.append(
            _("The {n} pairs of points that guided it lie {mean:.1f} mm apart now.").format(
                n=guidance["points"], mean=guidance["points_mean_mm"]
            )
        )
    structure = metrics.get("structure")
    if structure is not None and structure["followed"]:
        sentences.append(_("Both images show the same structure, and the MR was moved by it."))
    elif structure is not None:
        why = (
            _("What the images seem to share would part the glands as they are seen in their boxes.")
            if structure["parts_glands"]
            else _("The images share too little structure for the MR to be moved by it.")
        )
        led = len(guidance.get("masks", ())) == 2 or guidance.get("points")
        sentences += [
            why,
            _("Only what you drew and marked in both images moved it.")
            if led
            else _(
                "The MR stays where the start brought it. Draw both glands, mark places in both images, or choose a "
                "network."
            ),
        ]
    deformation = metrics["deformation"]
    sentences.append(
        _("Beyond the start, the MR was moved by {mean:.1f} mm on average and by {most:.1f} mm at most.").format(
            mean=deformation["mean_mm"], most=deformation["max_mm"]
        )
    )
    if deformation["folding"]["fraction"] == 0:
        sentences.append(_("The deformation does not fold."))
    return sentences


def warnings(metrics: Metrics) -> list[str]:
    """What speaks against trusting the result, in sentences."""
    found = []
    deformation = metrics["deformation"]
    if deformation["max_mm"] > GREAT_SHIFT_MM:
        found.append(
            _(
                "A shift of {n:.0f} mm is more than a prostate deforms: align the pair more closely and run again."
            ).format(n=deformation["max_mm"])
        )
    still = metrics.get("structure", {}).get("followed") is False  # on purpose, which is said elsewhere
    if deformation["max_mm"] < LITTLE_SHIFT_MM and not still:
        found.append(_("Almost nothing was moved: the pair fits already, or the images have too little in common."))
    if worse(metrics):
        found.append(
            _("By the segmentations the result is worse than the start: do not use it, and try another start.")
        )
    doubts = list(metrics.get("quality", {}).get("doubts", ()))
    if doubts:
        found.append(_("This result is doubtful. {reasons}").format(reasons=" ".join(doubts)))
    reasons = list(metrics.get("translation", {}).get("reasons", ()))
    if reasons:
        found.append(_("The translation cannot be trusted. {reasons}").format(reasons=" ".join(reasons)))
    if metrics["valid_share_of_region"] < 0.5:
        found.append(
            _("MR and TRUS show the same place in only {n:.0f} % of the region: check the alignment.").format(
                n=100 * metrics["valid_share_of_region"]
            )
        )
    return found


def worse(metrics: Metrics) -> bool:
    """Whether the segmentations say that the result is worse than the start."""
    return -1 in (_change(metrics, "dsc"), _change(metrics, "tre_mm"))


def _change(metrics: Metrics, key: str) -> int | None:
    """1 where a score became better, -1 where worse, 0 where it stayed; None where it is not known on both sides."""
    before, after = metrics.get("before", {}).get(key), metrics.get("after", {}).get(key)
    if before is None or after is None:
        return None
    gain = after - before if key == "dsc" else before - after
    return 0 if abs(gain) <= NOTICEABLE[key] else 1 if gain > 0 else -1


def _scored(metrics: Metrics) -> list[str]:
    words = {1: _("better"), 0: _("as before"), -1: _("worse")}
    texts = {
        "dsc": _("Overlap of the glands (DSC): {before:.2f} before, {after:.2f} after, {words}."),
        "tre_mm": _("Distance of the landmarks (TRE): {before:.1f} mm before, {after:.1f} mm after, {words}."),
    }
    return [
        text.format(before=metrics["before"][key], after=metrics["after"][key], words=words[change])
        for key, text in texts.items()
        if (change := _change(metrics, key)) is not None
    ]


def rows(metrics: Metrics) -> list[Row]:
    """Every figure as a row, for a table."""
    from MR2USProLib.registration.quality import share

    found = []
    if "after" in metrics:
        before, after = metrics["before"], metrics["after"]
        found += [
            Row(_("Overlap of the glands (DSC)"), _number(before["dsc"], 3), _number(after["dsc"], 3), "0 - 1"),
            Row(_("Overlap of the glands (IoU)"), _number(before["iou"], 3), _number(after["iou"], 3), "0 - 1"),
            Row(_("Surface distance, mean (ASD)"), _number(before["asd_mm"], 2), _number(after["asd_mm"], 2), "mm"),
            Row(_("Surface distance, 95 % (HD95)"), _number(before["hd95_mm"], 2), _number(after["hd95_mm"], 2), "mm"),
            Row(_("Landmarks, mean distance (TRE)"), _number(before["tre_mm"], 2), _number(after["tre_mm"], 2), "mm"),
        ]
        points = zip(metrics.get("structures", ()), before["tre_points_mm"], after["tre_points_mm"], strict=False)
        found += [
            Row(_("Landmark {name}").format(name=name), _number(was, 2), _number(now, 2), "mm")
            for name, was, now in points
        ]
    deformation = metrics["deformation"]
    folding, energy = deformation["folding"], deformation["harmonic_energy"]
    found += [
        Row(_("Shift beyond the start, mean"), "", _number(deformation["mean_mm"], 2), "mm"),
        Row(_("Shift beyond the start, 95 %"), "", _number(deformation["p95_mm"], 2), "mm"),
        Row(_("Shift beyond the start, largest"), "", _number(deformation["max_mm"], 2), "mm"),
        Row(_("Folded voxels"), "", share(folding["fraction"]), ""),
        Row(_("Strongest local shrinkage"), "", _number(folding["least_determinant"], 2), "x volume"),
        Row(_("Harmonic energy"), "", _number(energy["voxel_mean"], 5), "per voxel"),
        Row(_("Region that both images show"), "", _number(100 * metrics["valid_share_of_region"], 0), "%"),
    ]
    spread = metrics.get("uncertainty")
    if spread:
        found += [
            Row(_("Uncertainty of the shift in the gland, mean"), "", _number(spread["mean_mm"], 2), "mm"),
            Row(_("Uncertainty of the shift in the gland, 95 %"), "", _number(spread["p95_mm"], 2), "mm"),
        ]
    health = metrics.get("translation")
    if health:
        found += [
            Row(_("Edges kept by the translation, MR"), "", _number(100 * health["edges_mr"], 0), "%"),
            Row(_("Edges kept by the translation, TRUS"), "", _number(100 * health["edges_us"], 0), "%"),
            Row(
                _("Difference of MR and TRUS"),
                _number(health["gap_before"], 2),
                _number(health["gap_after"], 2),
                _("variances"),
            ),
        ]
    return found


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
