"""The panel MR2USRegister as somebody uses it who also takes pictures, and what is seen and drawn in its scene."""

import os
import pathlib

import numpy as np

from known_pair import leave_results
from MR2USProLib.jobs.run import Run
from MR2USProLib.registration import transforms
from MR2USProLib.volume import Volume
from oblique_pair import initial

PICTURES = os.environ.get("MR2US_PICTURES", "")
STARTS = ["none", "centers", "boxes", "landmarks", "transform"]
WAYS = ["overlay", "checkerboard", "curtain", "flicker", "deformation", "translated", "uncertainty"]
FLIP = np.array([-1.0, -1.0, 1.0])
"""Between LPS and RAS."""


class RegisterPanel:
    """The panel.

    Attributes:
        widget: the module's widget.
        logic: its logic.
        align, register, review, targets: widgets of its sections, by name.
    """

    def __init__(self, app):
        self.app, self.widget = app, app.openModule("MR2USRegister")
        self.logic = self.widget.logic
        self.align, self.register, self.review, self.targets, _ = (vars(one)["ui"] for one in self.widget.sections)

    @property
    def case(self):
        from MR2USProPanels.case import currentCase

        return currentCase()

    @property
    def row(self):
        """Widgets around the button that runs the registration."""
        return vars(self.section("Register").row)["ui"]

    @property
    def run(self):
        return self.row.runButton

    def section(self, title):
        return next(section for section in self.widget.sections if section.title == title)

    def choose(self, combo, key, keys):
        combo.setCurrentIndex(keys.index(key))
        self.app.process(0.05)

    def start_from(self, start):
        self.choose(self.align.startComboBox, start, STARTS)

    def look_by(self, way):
        self.choose(self.review.reviewComboBox, way, WAYS)

    def carried(self, node):
        """Where the points of a node land in the TRUS."""
        import slicer

        (copy,) = self.logic.carry([node], self.case.deformation)
        return slicer.util.arrayFromMarkupsControlPoints(copy)

    def place_by_hand(self, node, *places_mm):
        """Click points at places in the views, RAS mm, as with the placing mode of Slicer's toolbar."""
        import slicer

        logic = slicer.app.applicationLogic()
        logic.GetSelectionNode().SetReferenceActivePlaceNodeClassName(node.GetClassName())
        logic.GetSelectionNode().SetActivePlaceNodeID(node.GetID())
        logic.GetInteractionNode().SetCurrentInteractionMode(logic.GetInteractionNode().Place)
        for place in places_mm:
            node.AddControlPointWorld(*place)
        logic.GetInteractionNode().SetCurrentInteractionMode(logic.GetInteractionNode().ViewTransform)
        self.app.process(0.05)

    def drag(self, node, n, place_mm):
        """Drag a point to another place in the views, RAS mm."""
        node.InvokeEvent(node.PointStartInteractionEvent)
        node.SetNthControlPointPositionWorld(n, *place_mm)
        node.InvokeEvent(node.PointEndInteractionEvent)
        self.app.process(0.05)

    def picture(self, name):
        if PICTURES:
            self.app.windowPicture(self.widget, pathlib.Path(PICTURES) / f"register-{name}.png")


def views():
    """What the slice views are composed of."""
    import slicer

    nodes = slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
    assert len(nodes) >= 3
    return nodes


def shown(layers):
    """Whether all slice views show this background, foreground and opacity."""
    return {
        (n.GetBackgroundVolumeID(), n.GetForegroundVolumeID(), round(n.GetForegroundOpacity(), 3)) for n in views()
    } == {layers}


def markups(name, places_mm, kind="Fiducial"):
    """Points or a curve in the scene, at RAS positions."""
    import slicer

    node = slicer.mrmlScene.AddNewNodeByClass(f"vtkMRMLMarkups{kind}Node", name)
    for place in places_mm:
        node.AddControlPoint(*place)
    return node


def segmentation(mask, names, name, reference=None):
    """A segmentation of a label map."""
    import slicer

    from MR2USProLib.mrml import label_node

    labels = label_node(mask, "labels")
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
    node.CreateDefaultDisplayNodes()
    if reference is not None:
        node.SetReferenceImageGeometryParameterFromVolumeNode(reference)
    slicer.vtkSlicerSegmentationsModuleLogic.ImportLabelmapToSegmentationNode(labels, node)
    slicer.mrmlScene.RemoveNode(labels)
    for n, text in enumerate(names):
        node.GetSegmentation().GetNthSegment(n).SetName(text)
    return node


def targets_in_mr(us, there):
    """Points in the MR, RAS mm, whose counterparts lie inside the TRUS."""
    fixed = us.grid.centre_mm + np.array([[0, 0, 0], [9, 4, 3], [-8, 5, -6]])
    return transforms.map_points(fixed, there) * FLIP


def keep_result(case, pair, folder, uncertainty_mm=None):
    """Put into the case what a job would have left that found the truth."""
    from MR2USProPanels.registered import keepRegistration, loadRegistered, registrationOf

    start = transforms.as_affine(initial())
    run = Run("register", {}, folder)
    run.results = leave_results(run.job.folder, *pair, start)
    if uncertainty_mm is not None:
        region = pair[1].grid.resampled(shape=(8, 10, 12))
        Volume(np.full(region.shape, uncertainty_mm, np.float32), region).write(run.file("uncertainty.nrrd"))
        run.results["uncertainty"] = {"mean_mm": uncertainty_mm, "p95_mm": 2 * uncertainty_mm}
    keepRegistration(case, loadRegistered(run, start, case.mr, case.trus, [], registrationOf(case)))
