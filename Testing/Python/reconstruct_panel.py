"""The panel MR2USReconstruct over a simulated exam, as somebody uses it who also takes pictures, and what it shows."""

import os
import pathlib

import numpy as np

from scanner_screen import Screen
from small_exam import SAGITTAL_MM, small_exam

SCREEN = Screen((180, 30), (15, 30), size=(350, 180), extras=frozenset({"ruler"}))
"""Both views of the exam in one video."""
SECONDS = 120


class ReconstructPanel:
    """The panel with its sections by name, as somebody uses it who also takes pictures."""

    def __init__(self, app, folder):
        self.app, self.widget = app, app.openModule("MR2USReconstruct")
        self.exam, self.stitch, self.fill, _environment = self.widget.sections
        self._folder, self._taken = pathlib.Path(os.environ.get("MR2US_PICTURES") or folder), 0
        self._others = job_folders()

    @property
    def case(self):
        return self.exam.case

    def press(self, section):
        assert button(section).enabled, button(section).text
        button(section).click()
        self.wait()

    @property
    def left(self):
        """What its own jobs have left."""
        return job_folders() - self._others

    def wait(self):
        self.app.waitUntil(lambda: not self.widget.logic.runner.busy, SECONDS)
        self.app.process(0.05)

    def look(self, name):
        self.app.process(0.05)
        self._folder.mkdir(exist_ok=True)
        self.app.windowPicture(self.widget, self._folder / f"reconstruct-{self._taken:02d}-{name}.png")
        self._taken += 1


def put_into(case):
    from MR2USProLib.mrml import volume_node
    from MR2USProLib.volume import Grid, Volume

    exam = small_exam()
    frames = [
        volume_node(Volume(stack, Grid(stack.shape, (SAGITTAL_MM, SAGITTAL_MM, 1.0))), name)
        for stack, name in ((exam.sagittal, "Sagittal frames"), (exam.transverse, "Transverse frames"))
    ]
    case.sagittalFrames, case.transverseFrames = frames


def of(section):
    """Widgets of a section, by name."""
    return vars(section)["ui"]


def button(section):
    return of(section.row).runButton


def message(section):
    label = of(section.row).messageLabel
    return label.text if label.visible else ""


def background(view):
    import slicer

    logic = slicer.app.applicationLogic().GetSliceLogicByLayoutName(view)
    return logic.GetBackgroundLayer().GetVolumeNode(), logic.GetSliceOffset()


def nodes():
    """Class and name of everything in the scene but the views' own nodes."""
    import slicer

    scene = [slicer.mrmlScene.GetNthNode(n) for n in range(slicer.mrmlScene.GetNumberOfNodes())]
    return sorted((node.GetClassName(), node.GetName()) for node in scene if not node.GetHideFromEditors())


def job_folders():
    """Failed jobs' folders stay for their users, those of other tests, too."""
    import slicer

    return {path.name for path in pathlib.Path(slicer.app.temporaryPath).glob("MR2USPro-*")}


def table_texts(section):
    table = of(section).framesTable
    return [tuple(table.item(row, column).text() for column in range(4)) for row in range(table.rowCount)]


def positions(case):
    import slicer

    return np.array(slicer.util.arrayFromTableColumn(case.positions, "position_mm"))
