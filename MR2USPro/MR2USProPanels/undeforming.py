"""Falling back on the start: the MR where it was brought before anything was deformed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from slicer.i18n import tr as _

from . import registerWords
from .case import Case
from .registered import Registered, figuresTable, isOutdated, keepRegistration, registrationOf, undeformedOf
from .sceneNodes import removeNodes


def offered(case: Case, figures: Mapping[str, Any] | None) -> bool:
    """Whether the deformation is better let go of, and can be."""
    if (
        figures is None
        or figures.get(registerWords.UNDEFORMED)
        or case.mr is None
        or isOutdated(case)
        or undeformedOf(case.deformation) is None
    ):
        return False
    return bool(figures.get("quality", {}).get("doubtful") or registerWords.worse(figures))


def undeform(case: Case) -> None:
    """Bring the case's MR to the TRUS without deforming it; what followed from the deformation goes."""
    from MR2USProLib import mrml
    from MR2USProLib.registration import transforms
    from MR2USProLib.report.page import amended

    start = undeformedOf(case.deformation)
    assert start is not None  # offered only then
    grid = mrml.grid_of(case.warped)
    warped = transforms.warp(mrml.volume_of(case.mr), grid, start)
    mrml.volume_node(warped, case.warped.GetName(), case.warped)
    displacement = transforms.displacement_on(grid, start)
    mrml.grid_transform_node(displacement, case.deformation.GetName(), case.deformation)
    figures = _undeformed(json.loads(case.registerResults))
    found = Registered(**{**vars(registrationOf(case)), "uncertainty": None, "figures": figures})
    removeNodes(case.uncertainty)
    if case.report is not None:
        afterwards = _(
            "The deformation of which this report tells was let go of: the MR was kept undeformed, where the start "
            "brought it. All pictures and figures below are of what was let go of."
        )
        mrml.text_node(amended(case.report.GetText(), afterwards), case.report.GetName(), case.report)
    found.metrics = figuresTable(registerWords.rows(figures), case.metrics)
    keepRegistration(case, found)


def _undeformed(figures: dict[str, Any]) -> dict[str, Any]:
    """The figures of the start alone."""
    still = {"mean_mm": 0.0, "p95_mm": 0.0, "max_mm": 0.0, "harmonic_energy": {"voxel_mean": 0.0}}
    found = {
        **{key: value for key, value in figures.items() if key not in ("uncertainty", "quality")},
        registerWords.UNDEFORMED: True,
        "deformation": {**still, "folding": {"fraction": 0.0, "least_determinant": 1.0}},
    }
    if "undeformed" in figures:
        found["after"] = figures["undeformed"]
    return found
