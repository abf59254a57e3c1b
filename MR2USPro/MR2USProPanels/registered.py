"""The nodes that a registration leaves in the scene."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import slicer
import vtk
from numpy.typing import NDArray
from slicer.i18n import tr as _

from MR2USProLib.jobs.run import Run

from . import registerWords
from .case import Case
from .sceneNodes import removeNodes

START = "MR2USPro.Start"
"""Attribute of a deformation: the start that it includes, 4x4 from TRUS to MR points, RAS mm, as JSON."""
UNDEFORMED = "MR2USPro.Undeformed"
"""Likewise what the engine made of that start before it deformed anything."""
NODES = ("warped", "before", "deformation", "translatedMr", "translatedUs", "uncertainty", "metrics", "report")
"""Fields that a case and what a registration leaves have in common."""
_FLIP = np.diag([-1.0, -1.0, 1.0, 1.0])
STALE = "MR2USPro.Stale"
"""Attribute of a table of targets that were carried by an earlier registration, and of a deformation whose TRUS volume
was made anew."""


@dataclass
class Registered:
    """What a registration left.

    Attributes:
        warped: the MR on the TRUS grid, deformed.
        before: the MR on the TRUS grid at the start.
        deformation: grid transform that takes the MR onto the TRUS, start included (from parent, mm).
        translatedMr, translatedUs: the pair in the intermediate modality; None without translation.
        uncertainty: of the deformation, mm; None where the method knows none.
        metrics: table of all figures.
        report: text node with the whole report as HTML.
        figures: the figures by name.
    """

    warped: Any = None
    before: Any = None
    deformation: Any = None
    translatedMr: Any = None
    translatedUs: Any = None
    uncertainty: Any = None
    metrics: Any = None
    report: Any = None
    figures: dict[str, Any] = field(default_factory=dict)


def loadRegistered(run: Run, start: Any, mr: Any, trus: Any, structures: list[str], into: Registered) -> Registered:
    """Put a job's results into the scene.

    Args:
        run: the job, done.
        start: transform from TRUS to MR points that the job began with, LPS mm.
        mr: volume node that was moved; the results take its brightness from it.
        trus: volume node that stayed.
        structures: names of the landmarks that were scored.
        into: nodes of an earlier registration, which are overwritten.
    """
    from MR2USProLib import mrml
    from MR2USProLib.registration import transforms
    from MR2USProLib.volume import Volume

    # All files are read before the scene is touched, so that trouble leaves nothing half-done in it.
    moving = Volume.read(run.job.folder / "mr.nrrd")
    warped = Volume.read(run.file("warped.nrrd"))
    displacement = Volume.read(run.file("displacement.nrrd"))
    files = {
        "translatedMr": ("mr_translated.nrrd", _("MR, translated")),
        "translatedUs": ("us_translated.nrrd", _("TRUS, translated")),
        "uncertainty": ("uncertainty.nrrd", _("Uncertainty (mm)")),
    }
    optional = {key: Volume.read(run.file(name)) for key, (name, _title) in files.items() if run.file(name).is_file()}
    undeformed = transforms.as_affine(transforms.read_transform(run.file("transform_undeformed.h5")))
    page = run.file("report.html").read_text("utf-8")
    before = transforms.warp(moving, warped.grid, start)
    figures = {**run.results, "structures": structures}

    found = Registered(figures=figures)
    found.warped = mrml.volume_node(warped, _("MR on TRUS"), into.warped)
    found.before = mrml.volume_node(before, _("MR before"), into.before)
    for node in (found.warped, found.before):
        _likeSource(node, mr)
    found.deformation = mrml.grid_transform_node(displacement, _("MR to TRUS"), into.deformation)
    _reference(found.deformation, mr, trus)
    found.deformation.RemoveAttribute(STALE)
    found.deformation.SetAttribute(START, json.dumps(_ras(start).tolist()))
    found.deformation.SetAttribute(UNDEFORMED, json.dumps(_ras(undeformed).tolist()))
    for key, (_name, title) in files.items():
        old = getattr(into, key)
        if key in optional:
            setattr(found, key, mrml.volume_node(optional[key], title, old))
        else:
            removeNodes(old)
    found.metrics = figuresTable(registerWords.rows(figures), into.metrics)
    found.report = mrml.text_node(page, _("Registration report"), into.report)
    return found


def registrationOf(case: Case) -> Registered:
    """The nodes that an earlier registration left in a case; those that are not there are None."""
    return Registered(**{name: getattr(case, name) for name in NODES})


def isOfPair(case: Case) -> bool:
    """Whether what was registered are the MR and the TRUS volume that are chosen now."""
    kind, deformation = slicer.vtkMRMLTransformNode, case.deformation
    return deformation is not None and (
        deformation.GetNodeReference(kind.GetMovingNodeReferenceRole()) is case.mr
        and deformation.GetNodeReference(kind.GetFixedNodeReferenceRole()) is case.trus
    )


def isOvertaken(case: Case) -> bool:
    """Whether the node of the TRUS volume that was registered holds another one by now."""
    return case.deformation is not None and case.deformation.GetAttribute(STALE) is not None


def isOutdated(case: Case) -> bool:
    """Whether there is a registration, but of other images than those that are chosen now."""
    return case.deformation is not None and (isOvertaken(case) or not isOfPair(case))


def areTargetsCarried(case: Case) -> bool:
    """Whether targets were carried, by the last registration and of the images that are chosen now."""
    return case.targetTable is not None and not case.targetTable.GetAttribute(STALE) and not isOutdated(case)


def keepRegistration(case: Case, found: Registered) -> None:
    """Make a registration that of a case; what was derived from an earlier one goes, or is marked as outdated."""
    removeNodes(case.beyondStart, case.magnitude)
    with slicer.util.NodeModify(case.parameterNode):
        for name in NODES:
            setattr(case, name, getattr(found, name))
        case.registerResults = json.dumps(found.figures)
        case.showStart = case.showBefore = False
    if case.targetTable is not None:
        case.targetTable.SetAttribute(STALE, "1")
    case.parameterNode.Modified()  # the same result once more changes no field, but the targets' state


def startOf(deformation: Any) -> NDArray[np.float64]:
    """The start that a deformation includes, 4x4 from TRUS to MR points, RAS mm; none where it does not say so."""
    text = deformation.GetAttribute(START)
    return np.array(json.loads(text)) if text else np.eye(4)


def undeformedOf(deformation: Any) -> Any:
    """What the engine made of the start before it deformed anything: TRUS to MR points, LPS mm; None if unknown."""
    import SimpleITK as sitk

    text = deformation.GetAttribute(UNDEFORMED) if deformation is not None else None
    if not text:
        return None
    affine = _FLIP @ np.array(json.loads(text)) @ _FLIP
    return sitk.AffineTransform(affine[:3, :3].ravel().tolist(), affine[:3, 3].tolist())


def _ras(transform: Any) -> NDArray[np.float64]:
    """A linear transform of LPS points as 4x4 matrix of RAS points."""
    zero = np.array(transform.TransformPoint((0.0, 0.0, 0.0)))
    affine = np.eye(4)
    affine[:3, :3] = np.stack([np.array(transform.TransformPoint(e)) - zero for e in np.eye(3).tolist()], axis=1)
    affine[:3, 3] = zero
    return np.asarray(_FLIP @ affine @ _FLIP)


def _likeSource(node: Any, source: Any) -> None:
    display, like = node.GetDisplayNode(), source.GetDisplayNode() if source is not None else None
    if display is not None and like is not None and like.IsA("vtkMRMLScalarVolumeDisplayNode"):
        display.SetAutoWindowLevel(False)
        display.SetWindowLevel(like.GetWindow(), like.GetLevel())


def _reference(deformation: Any, mr: Any, trus: Any) -> None:
    """Say which volumes the deformation belongs to, where Slicer's own registration tools say it."""
    kind = slicer.vtkMRMLTransformNode
    for role, node in ((kind.GetMovingNodeReferenceRole(), mr), (kind.GetFixedNodeReferenceRole(), trus)):
        present = node is not None and slicer.mrmlScene.IsNodePresent(node)
        deformation.SetNodeReferenceID(role, node.GetID() if present else None)


def figuresTable(rows: list[registerWords.Row], node: Any) -> Any:
    """A table node of figures, the one that is there if it is."""
    if node is None or not slicer.mrmlScene.IsNodePresent(node):
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", _("Registration figures"))
    node.RemoveAllColumns()
    titles = (_("Figure"), _("Before"), _("After"), _("Unit"))
    for title, values in zip(titles, zip(*rows, strict=True), strict=True):
        column = vtk.vtkStringArray()
        column.SetName(title)
        for value in values:
            column.InsertNextValue(value)
        node.AddColumn(column)
    return node
