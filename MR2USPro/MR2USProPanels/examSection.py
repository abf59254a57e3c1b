"""The section in which an exam is chosen, looked at and read."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from . import examWords
from .case import Case
from .choiceBox import ChoiceBox
from .jobRow import JobRow
from .jobRunner import Callbacks
from .pixelRuler import PixelRuler
from .reconstructed import figures, forgetStitching, frameCount, isPresent
from .section import Section
from .sliceViews import showInView
from .viewBoxes import LEFT, RIGHT, SAGITTAL_COLOR, TRANSVERSE_COLOR, boxNode, halfOf, roiOf, showBox

FILES = "*.mp4 *.avi *.mov *.mkv *.m4v *.wmv *.mpg *.mha *.mhd *.nrrd *.nii *.nii.gz *.dcm *.dicom *.ima"
PICTURES = "*.png *.jpg *.jpeg *.tif *.tiff *.bmp"
"""Of which any one stands for the folder that it lies in."""
_PICTURE_SUFFIXES = {pattern[1:] for pattern in PICTURES.split()}
INPUTS = {"video": ("videoFile",), "files": ("sagittalFile", "transverseFile"), "sequence": ("sequence",)}
"""Fields of the case that say what the exam is, by its source."""


class ExamSection(Section):
    """Chooses an exam and shows its first picture, where the two views are marked, before it is read."""

    title = _("Exam")

    def __init__(self, logic: Any) -> None:
        super().__init__("Exam", logic)
        self._source = ChoiceBox(self.ui.sourceBox, _sources(), partial(self._choose, "source"))
        self._paths = {
            "videoFile": self.ui.videoPath,
            "sagittalFile": self.ui.sagittalPath,
            "transverseFile": self.ui.transversePath,
        }
        for field, line in self._paths.items():
            line.nameFilters = (
                _("Recordings") + f" ({FILES} {PICTURES})",
                _("All files") + " (*)",
            )
            line.connect("currentPathChanged(QString)", partial(self._choose, field))
        for button, line in (
            (self.ui.videoFolderButton, self.ui.videoPath),
            (self.ui.sagittalFolderButton, self.ui.sagittalPath),
            (self.ui.transverseFolderButton, self.ui.transversePath),
        ):
            button.connect("clicked(bool)", partial(self._onFolder, line))
        self.ui.sequenceSelector.connect("currentNodeChanged(vtkMRMLNode*)", partial(self._choose, "sequence"))
        self.ui.measureButton.connect("clicked(bool)", self._onMeasure)
        self.ui.showBoxesButton.connect("clicked(bool)", self._onShowBoxes)
        self.ui.exchangeButton.connect("clicked(bool)", self._onExchange)
        self._ruler = PixelRuler(self.ui.measureButton, self.ui.lengthBox, self._onMeasured)
        self.row: JobRow = JobRow(self.ui.jobArea.layout(), logic.runner)
        self.row.onRun = self._onRun
        self._boxTags: list[tuple[Any, int]] = []
        self._sceneTag = slicer.mrmlScene.AddObserver(slicer.vtkMRMLScene.NodeAddedEvent, self.changed)

    def cleanup(self) -> None:
        """Let go of the case and the scene."""
        slicer.mrmlScene.RemoveObserver(self._sceneTag)
        super().cleanup()
        self._followBoxes()

    def setCase(self, case: Case | None) -> None:
        """Show another case, or none."""
        self._ruler.setPicture(None)
        super().setCase(case)
        self._followBoxes()

    def done(self) -> bool:
        """Whether both views are in the scene."""
        return self.case is not None and frameCount(self.case) > 0

    def need(self) -> str:
        """What is missing before the exam can be looked at or read."""
        case = self.case
        if case is None:
            return _("No case")
        if case.source == "sequence":
            return "" if case.sequence is not None else _("Choose a sequence")
        paths = [getattr(case, field) for field in INPUTS[case.source]]
        if not all(paths):
            return _("Choose a recording") if case.source == "video" else _("Choose a recording for each view")
        gone = [Path(path).name for path in paths if not Path(path).exists()]
        if gone:
            return _("There is no file {name}").format(name=gone[0])
        if not self._found():
            return ""
        return self._needToRead()

    def _needToRead(self) -> str:
        case, found = self.case, self._found()
        assert case is not None
        if not case.spacingMm and not found["spacing_mm"]:
            return _("Type the pixel size first")
        if case.source != "files":
            regions = self._regions()
            if not all(width and height for _x, _y, width, height in regions):
                return _("Show the boxes, and drag them onto the two views")
            if regions == found.get("guessed"):
                return _("Drag the boxes onto the two views")
        return ""

    def refresh(self) -> None:
        """Show what was chosen, what was seen of it, and what is missing."""
        case = self.case
        assert case is not None
        self._source.setTexts(_sources(withSequence=case.source == "sequence" or _sequenceLoaded()))
        self._source.show(case.source)
        for field, line in self._paths.items():
            if line.currentPath != getattr(case, field):
                line.currentPath = getattr(case, field)
        self.ui.sequenceSelector.setCurrentNode(case.sequence)
        for source, widgets in (
            ("video", (self.ui.videoLabel, self.ui.videoPath, self.ui.videoFolderButton)),
            ("files", (self.ui.sagittalLabel, self.ui.sagittalPath, self.ui.sagittalFolderButton)),
            ("files", (self.ui.transverseLabel, self.ui.transversePath, self.ui.transverseFolderButton)),
            ("sequence", (self.ui.sequenceLabel, self.ui.sequenceSelector)),
        ):
            for widget in widgets:
                widget.visible = case.source == source
        self.ui.hintLabel.visible = not self.done() and not self._found()
        self._followBoxes()
        self._refreshFound()

    def _refreshFound(self) -> None:
        case, found, need = self.case, self._found(), self.need()
        assert case is not None
        boxed = bool(found) and case.source != "files"
        for widget in (self.ui.spacingLabel, self.ui.spacingBox, self.ui.flipSagittalBox, self.ui.flipTransverseBox):
            widget.visible = bool(found)
        if found:
            self.ui.spacingBox.specialValueText = examWords.untyped(found)
        _tell(self.ui.spacingNote, examWords.spacing(found, case.spacingMm))
        _tell(self.ui.viewsNote, examWords.views(found["views_note"], self._regions()) if boxed else "")
        for widget in (self.ui.showBoxesButton, self.ui.exchangeButton, self.ui.measureButton, self.ui.lengthBox):
            widget.visible = boxed
        self._ruler.setPicture(case.picture if boxed else None)
        count = frameCount(case)
        text = _("Read the exam again") if count else _("Read the exam")
        if not found:
            text = _("Look into the exam")
        self.row.offer(need or text, not need, examWords.toolTip(need))
        _tell(self.ui.framesLabel, examWords.frames(case) if count else "")

    def _found(self) -> dict[str, Any]:
        """What was seen in the exam that is chosen now; empty where nobody has looked yet."""
        case = self.case
        found = figures(case.inspection) if case is not None else {}
        if case is None or found.get("of") != _exam(case) or case.picture is None:
            return {}
        return found

    def _regions(self) -> list[list[int]]:
        """x, y, width, height of the sagittal and the transverse box, in pixels; 0 where there is none."""
        case = self.case
        assert case is not None
        return [roiOf(box, case.picture) for box in (case.sagittalBox, case.transverseBox)]

    def _choose(self, field: str, value: Any) -> None:
        """Another source, file or sequence: look into it at once. What the case itself brought here changes nothing."""
        if field in self._paths and Path(value).suffix.lower() in _PICTURE_SUFFIXES and Path(value).is_file():
            value = str(Path(value).parent)
        if self.case is None or getattr(self.case, field) == value:
            return
        setattr(self.case, field, value)
        if not self.logic.runner.busy:
            self.row.tell("")  # what was wrong with the exam before says nothing about this one
        self._refreshNow()
        self.lookInto()

    def _onFolder(self, line: Any, checked: bool = False) -> None:
        folder = qt.QFileDialog.getExistingDirectory(
            slicer.util.mainWindow(), _("Folder of pictures"), line.currentPath
        )
        if folder:
            line.currentPath = folder

    def lookInto(self) -> None:
        """Look into the exam's files where that is possible and nobody has yet."""
        if not self.need() and not self._found() and not self.logic.runner.busy:
            self.row.start(self._inspect)

    def _onRun(self) -> None:
        if self._found():
            self._read()
        else:
            self._inspect()

    def _inspect(self) -> None:
        case = self.case
        assert case is not None
        self.logic.inspectExam(
            **_inputs(case),
            into=(case.picture, case.transversePicture, case.sagittalBox, case.transverseBox),
            callbacks=Callbacks(onDone=partial(self._onInspected, case, _exam(case)), onFailed=self.changed),
        )

    def _onInspected(self, case: Case, exam: list[str], inspection: Any) -> None:
        if not isPresent(case):
            return
        new = figures(case.inspection).get("of") != exam
        with slicer.util.NodeModify(case.parameterNode):
            case.picture, case.transversePicture, case.sagittalBox, case.transverseBox, results = inspection
            found = {**results, "of": exam}
            if new:
                case.spacingMm = 0.0  # what was typed for another exam says nothing about this one
            if case.sagittalBox is not None and results["views_confidence"] == "none":
                boxes = case.sagittalBox, case.transverseBox
                found["guessed"] = [roiOf(box, case.picture) for box in boxes]
            case.inspection = json.dumps(found)
        if not self.shows(case):
            return
        self._showPicture()
        self._refreshNow()
        if not self._found() and not self.need():  # another exam was chosen while this one was looked into
            self.row.start(self._inspect)

    def _read(self) -> None:
        case = self.case
        assert case is not None
        decided = len(case.excluded) + len(case.pinned)
        if decided and not slicer.util.confirmOkCancelDisplay(
            _("{n} frames were excluded or pinned. Reading the exam again forgets that.").format(n=decided),
            _("Read the exam again"),
        ):
            return
        sagittal, transverse = self._regions() if case.source != "files" else (None, None)
        self.logic.readExam(
            **_inputs(case),
            sagittalRoi=sagittal,
            transverseRoi=transverse,
            spacingMm=case.spacingMm or None,
            flipSagittal=case.flipSagittal,
            flipTransverse=case.flipTransverse,
            into=(case.sagittalFrames, case.transverseFrames),
            callbacks=Callbacks(onDone=partial(self._onRead, case), onFailed=self.changed),
        )

    def _onRead(self, case: Case, frames: Any) -> None:
        if not isPresent(case):
            return
        with slicer.util.NodeModify(case.parameterNode):
            forgetStitching(case)
            case.sagittalFrames, case.transverseFrames = frames
        for box in (case.sagittalBox, case.transverseBox):
            if box is not None:
                box.SetDisplayVisibility(False)
        if self.shows(case) and self.widget.visible:
            showInView("Red", frames.sagittal, orientation="Axial", offsetMm=0.0)
            showInView("Green", frames.transverse, orientation="Axial", offsetMm=0.0)

    def _showPicture(self) -> None:
        """The first picture in the Red view, with the boxes; in the Green one that of the transverse file."""
        case = self.case
        if case is None or case.picture is None:
            return
        for box, color in ((case.sagittalBox, SAGITTAL_COLOR), (case.transverseBox, TRANSVERSE_COLOR)):
            if box is not None:
                showBox(box, color)
        if self.widget.visible:
            showInView("Red", case.picture, orientation="Axial")
            if case.transversePicture is not None:
                showInView("Green", case.transversePicture, orientation="Axial")

    def _onMeasured(self, mm: float) -> None:
        if self.case is not None:
            self.case.spacingMm = min(mm, self.ui.spacingBox.maximum)

    def _onMeasure(self, checked: bool = False) -> None:
        if checked:
            self._showPicture()

    def _onShowBoxes(self, checked: bool = False) -> None:
        case = self.case
        if case is None or case.picture is None:
            return
        for field, half, name in (
            ("sagittalBox", RIGHT, "Sagittal view"),
            ("transverseBox", LEFT, "Transverse view"),
        ):
            if getattr(case, field) is None:  # it was deleted
                size = self._found()["size_px"]
                setattr(case, field, boxNode(case.picture, halfOf(size, half), name))
        self._showPicture()

    def _onExchange(self, checked: bool = False) -> None:
        case = self.case
        if case is None or case.sagittalBox is None or case.transverseBox is None:
            return
        sagittal, transverse = self._regions()
        boxNode(case.picture, transverse, "", case.sagittalBox)
        boxNode(case.picture, sagittal, "", case.transverseBox)

    def _followBoxes(self) -> None:
        """Hear when the boxes of the case are dragged."""
        boxes = (
            [] if self.case is None else [b for b in (self.case.sagittalBox, self.case.transverseBox) if b is not None]
        )
        if [node for node, _tag in self._boxTags] == boxes:
            return
        for node, tag in self._boxTags:
            node.RemoveObserver(tag)
        event = slicer.vtkMRMLMarkupsNode.PointModifiedEvent
        self._boxTags = [(box, box.AddObserver(event, self.changed)) for box in boxes]


def _sources(withSequence: bool = False) -> dict[str, str]:
    texts = {"video": _("One recording with both views"), "files": _("One recording for each view")}
    return {**texts, "sequence": _("A sequence in the scene")} if withSequence else texts


def _sequenceLoaded() -> bool:
    return any(
        node.GetNumberOfDataNodes() and node.GetNthDataNode(0).IsA("vtkMRMLVolumeNode")
        for node in slicer.util.getNodesByClass("vtkMRMLSequenceNode")
    )


def _inputs(case: Case) -> dict[str, Any]:
    """The exam as the logic takes it."""
    names = {"videoFile": "video", "sagittalFile": "sagittal", "transverseFile": "transverse", "sequence": "sequence"}
    return {names[field]: getattr(case, field) for field in INPUTS[case.source]}


def _exam(case: Case) -> list[str]:
    """The exam as it is remembered."""
    values = [getattr(case, field) for field in INPUTS[case.source]]
    return [case.source, *(value if isinstance(value, str) else value.GetID() if value else "" for value in values)]


def _tell(label: Any, text: str) -> None:
    """Show a sentence, or nothing at all."""
    label.text = text
    label.visible = bool(text)
