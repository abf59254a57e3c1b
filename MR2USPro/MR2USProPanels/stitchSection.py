"""The section in which the sagittal frames are stitched, and the stitching is checked and corrected."""

from __future__ import annotations

from functools import partial
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from MR2USProLib.mrml import grid_of

from . import signs
from .case import Case
from .choiceBox import ChoiceBox
from .environment import device
from .jobRow import JobRow
from .jobRunner import Callbacks
from .outlines import onMapNode
from .reconstructed import decisions, frameCount, framePlace, isPresent, isStitchingOutdated, keepStitching, stitching
from .section import Section
from .sliceViews import arrange, showChart, showInView

WEIGHTS_SETTING = "MR2USPro/LoftrWeights"
TABLE_PX = 200
"""Height from which on the table scrolls."""


class StitchSection(Section):
    """Stitches, tells what to think of it, and lets the user exclude and pin frames.

    Attributes:
        frame: the one that is looked at.
    """

    title = _("Stitch")
    isChecked = True

    def __init__(self, logic: Any) -> None:
        super().__init__("Stitch", logic)
        self.frame = 0
        self._pinShown: tuple[Any, ...] = ()
        self._rows: list[tuple[int, str, str, str]] = []
        self._matcher = ChoiceBox(
            self.ui.matcherBox,
            {
                "auto": _("Automatic"),
                "layers": _("Gray levels"),
                "sift": _("SIFT features"),
                "orb": _("ORB features"),
                "loftr": _("LoFTR network"),
            },
            self._onMatcher,
        )
        self.ui.weightsPath.nameFilters = (_("Weights") + " (*.ckpt *.pth *.pt *.safetensors)", _("All files") + " (*)")
        self.ui.weightsPath.connect("currentPathChanged(QString)", self._onWeights)
        self.row: JobRow = JobRow(self.ui.jobArea.layout(), logic.runner)
        self.row.onRun = self._onRun
        header = self.ui.framesTable.horizontalHeader()
        for column in range(3):
            header.setSectionResizeMode(column, qt.QHeaderView.ResizeToContents)
        header.setSectionResizeMode(3, qt.QHeaderView.Stretch)
        rows = self.ui.framesTable.verticalHeader()
        rows.visible = False
        rows.setSectionResizeMode(qt.QHeaderView.ResizeToContents)
        rows.connect("sectionResized(int,int,int)", self._fitTable)
        self.ui.framesTable.connect("itemSelectionChanged()", self._onRowSelected)
        self.ui.framesTable.connect("cellClicked(int,int)", self._onRowClicked)
        self.ui.frameSlider.connect("valueChanged(double)", self._onSlider)
        self.ui.excludeButton.connect("clicked(bool)", self._onExclude)
        self.ui.pinButton.connect("clicked(bool)", self._onPin)
        self.ui.showMapButton.connect("clicked(bool)", self._onShowMap)

    def forget(self) -> None:
        """Begin with the first frame."""
        self.frame = 0

    def done(self) -> bool:
        """Whether the frames are stitched, with all that the user decided about them."""
        return self.case is not None and bool(stitching(self.case)) and not isStitchingOutdated(self.case)

    def need(self) -> str:
        """What is missing before the frames can be stitched."""
        if self.case is None or not frameCount(self.case):
            return _("Read the exam first")
        return _("Choose the LoFTR weights") if self.case.matcher == "loftr" and not loftrWeights() else ""

    def refresh(self) -> None:
        """Show the verdict, the frames that deserve a look, and what the user decided."""
        case = self.case
        assert case is not None
        self._matcher.show(case.matcher)
        if self.ui.weightsPath.currentPath != loftrWeights():  # chosen in another panel
            self.ui.weightsPath.currentPath = loftrWeights()
        self.row.offer(self.need() or self._offer(), not self.need(), self._toolTip())
        verdict = stitching(case).get("verdict", {})
        self.ui.verdictArea.visible = bool(verdict)
        self.ui.hintLabel.visible = not verdict
        if verdict:
            text, level = verdict["text"], verdict["level"]
            if isStitchingOutdated(case):
                text, level = _("Changed since it was stitched: stitch again.") + f"\n{text}", "check"
            signs.show(self.ui.verdictIcon, level)
            self.ui.verdictLabel.text = text
        count = frameCount(case)
        self.ui.framesArea.visible = count > 0
        if count:
            self.frame = min(self.frame, count - 1)
            self._refreshTable()
            self._refreshFrame(count)

    def _offer(self) -> str:
        assert self.case is not None
        parts = _pending(self.case)
        text = _("Stitch again") if stitching(self.case) else _("Stitch")
        return _("{stitch} ({decisions})").format(stitch=text, decisions=", ".join(parts)) if parts else text

    def _toolTip(self) -> str:
        if self.need() == _("Choose the LoFTR weights"):
            return _("They do not come with MR2USPro. Give their file under Advanced, or compare something else.")
        if self.need():
            return _("The sagittal and transverse frames come from the section Exam.")
        return _("Find where each sagittal frame lies on a map of all of them. Takes about as long as the sweep did.")

    def _refreshTable(self) -> None:
        case, table = self.case, self.ui.framesTable
        assert case is not None
        stitched = stitching(case)
        rows = _rows(case, stitched)
        self.ui.tableLabel.visible = table.visible = bool(rows)
        self.ui.tableLabel.text = _("Frames that deserve a look: click one to see it.")
        if rows != self._rows:
            self._rows = rows
            wasBlocked = table.blockSignals(True)
            table.setRowCount(len(rows))
            for row, texts in enumerate(rows):
                for column, text in enumerate(texts):
                    table.setItem(row, column, qt.QTableWidgetItem(str(text)))
            table.blockSignals(wasBlocked)
            self._fitTable()
        self._selectRow()

    def _fitTable(self, *_: Any) -> None:
        """Make the table as high as its rows, which wrap where it is narrow."""
        table = self.ui.framesTable
        height = table.horizontalHeader().height + table.verticalHeader().length() + 2 * table.frameWidth
        table.setFixedHeight(min(height, TABLE_PX))

    def _selectRow(self) -> None:
        """Mark the row of the frame that is looked at, if it has one."""
        table = self.ui.framesTable
        wasBlocked = table.blockSignals(True)
        frames = [row[0] for row in self._rows]
        if self.frame in frames:
            table.selectRow(frames.index(self.frame))
        else:
            table.clearSelection()
        table.blockSignals(wasBlocked)

    def _refreshFrame(self, count: int) -> None:
        case, slider = self.case, self.ui.frameSlider
        assert case is not None
        wasBlocked = slider.blockSignals(True)
        slider.maximum = count - 1
        slider.value = self.frame
        slider.blockSignals(wasBlocked)
        excluded, pinned = self.frame in case.excluded, dict(case.pinned)
        place = framePlace(case, self.frame) if stitching(case) else {}
        self.ui.frameLabel.text = _frameText(self.frame, count, place)
        self.ui.excludeButton.text = _("Use again") if excluded else _("Exclude")
        self.ui.pinButton.text = _("Unpin") if self.frame in pinned else _("Pin at")
        self.ui.pinButton.enabled = self.ui.pinBox.enabled = bool(place) and not excluded
        self.ui.pinButton.toolTip = _pinToolTip(stitched=bool(place), excluded=excluded)
        if self.frame in pinned:
            self.ui.pinBox.enabled = False
        at = pinned.get(self.frame, place.get("position_mm"))
        if at is not None and (case.parameterNode, self.frame, at) != self._pinShown:  # else what was typed stays
            self._pinShown = case.parameterNode, self.frame, at
            self.ui.pinBox.value = at
        self.ui.showMapButton.visible = bool(place)

    def goTo(self, frame: int) -> None:
        """Look at a frame: both views of it, and its outline on the map."""
        case = self.case
        if case is None or not 0 <= frame < frameCount(case):
            return
        self.frame = frame
        self._showFrame(case)
        self._selectRow()
        self._refreshFrame(frameCount(case))

    def _showFrame(self, case: Case) -> None:
        for view, frames in (("Red", case.sagittalFrames), ("Green", case.transverseFrames)):
            showInView(
                view, frames, orientation="Axial", offsetMm=float(grid_of(frames).to_world((0, 0, self.frame))[2])
            )
        place = framePlace(case, self.frame) if stitching(case) else {}
        if place and case.map is not None:
            showInView("Yellow", case.map, offsetMm=0.0)
            offset = place["offset_x_px"], place["offset_y_px"]
            outline = onMapNode(case.sagittalFrames, offset, "Frame on the map", case.frameOutline)
            if case.frameOutline is None:
                case.frameOutline = outline
            outline.SetDisplayVisibility(True)

    def _showMap(self) -> None:
        case = self.case
        if case is None or not stitching(case):
            return
        arrange("FourUpPlotView")
        if case.chart is not None:
            showChart(case.chart)
        self._showFrame(case)

    def _onRun(self) -> None:
        case = self.case
        assert case is not None
        decided = decisions(case)
        self.logic.stitch(
            case.sagittalFrames,
            matcher=case.matcher,
            loftrWeights=loftrWeights(),
            device=device(),
            excluded=decided["excluded"],
            pinned=dict(case.pinned),
            into=(case.positions, case.map, case.suspects, case.chart),
            callbacks=Callbacks(onDone=partial(self._onStitched, case, decided), onFailed=self.changed),
        )

    def _onStitched(self, case: Case, decided: dict[str, Any], found: Any) -> None:
        if not isPresent(case):
            return
        keepStitching(case, found, decided)
        if not self.shows(case):
            return
        if found.results["suspects"]:
            self.frame = found.results["suspects"][0]["frame"]
        self._refreshNow()
        if self.widget.visible:
            self._showMap()

    def _onMatcher(self, key: str) -> None:
        if self.case is not None:
            self.case.matcher = key

    def _onWeights(self, path: str) -> None:
        qt.QSettings().setValue(WEIGHTS_SETTING, path)
        self.changed()

    def _onRowSelected(self) -> None:
        row = self.ui.framesTable.currentRow()
        if 0 <= row < len(self._rows):
            self.goTo(self._rows[row][0])

    def _onRowClicked(self, row: int, column: int) -> None:
        self.goTo(self._rows[row][0])  # also where it is selected already: the views may show something else by now

    def _onSlider(self, value: float) -> None:
        self.goTo(round(value))

    def _onExclude(self, checked: bool = False) -> None:
        case = self.case
        assert case is not None
        with slicer.util.NodeModify(case.parameterNode):
            case.excluded = sorted(set(case.excluded) ^ {self.frame})
            case.pinned = {frame: at for frame, at in dict(case.pinned).items() if frame != self.frame}

    def _onPin(self, checked: bool = False) -> None:
        case = self.case
        assert case is not None
        pinned = dict(case.pinned)
        if pinned.pop(self.frame, None) is None:
            pinned[self.frame] = self.ui.pinBox.value
        case.pinned = pinned

    def _onShowMap(self, checked: bool = False) -> None:
        self._showMap()


def loftrWeights() -> str:
    """The file of LoFTR's weights on this machine; empty where there is none."""
    return str(slicer.util.settingsValue(WEIGHTS_SETTING, ""))


def _rows(case: Case, stitched: dict[str, Any]) -> list[tuple[int, str, str, str]]:
    """Frame, position, status and reason of the frames that deserve a look, and of those that the user decided on."""
    excluded, pinned = set(case.excluded), dict(case.pinned)
    suspects = {suspect["frame"]: suspect for suspect in stitched.get("suspects", [])}
    rows = []
    for frame in sorted(excluded | set(pinned) | set(suspects)):
        suspect = suspects.get(frame, {})
        place = framePlace(case, frame) if stitched else {}
        at = f"{place['position_mm']:.1f}" if place else ""
        if frame in excluded:
            status = _("excluded")
        elif frame in pinned:
            status = _("pinned at {mm:.1f} mm").format(mm=pinned[frame])
        else:
            status = _status(suspect["status"])
        rows.append((frame, at, status, suspect.get("reason", _("by you"))))
    return rows


def _pending(case: Case) -> list[str]:
    """What was decided about frames since they were stitched, in words."""
    now, before = decisions(case), stitching(case).get("decided", {"excluded": [], "pinned": {}})
    excluded = set(now["excluded"]) - set(before["excluded"])
    pinned = dict(now["pinned"].items() - before["pinned"].items())
    counts = {
        _("{n} excluded"): len(excluded),
        _("{n} pinned"): len(pinned),
        _("{n} taken back"): len(_decided(before) - _decided(now)),
    }
    return [text.format(n=n) for text, n in counts.items() if n]


def _decided(decisions: dict[str, Any]) -> set[int]:
    return {*decisions["excluded"], *map(int, decisions["pinned"])}


def _pinToolTip(stitched: bool, excluded: bool) -> str:
    if not stitched:
        return _("Stitch first: then you see where the frame was put, and can say where it belongs.")
    if excluded:
        return _("An excluded frame has no place. Use it again first.")
    return _("Say where this frame belongs, when you know it better; the frames around it are moved along.")


def _status(status: str) -> str:
    return {"ok": _("placed"), "interpolated": _("between others"), "rejected": _("not used")}.get(status, status)


def _frameText(frame: int, count: int, place: dict[str, Any]) -> str:
    if not place:
        return _("Frame {n} (of 0 to {last})").format(n=frame, last=count - 1)
    text = _("Frame {n} (of 0 to {last}): {status}, at {mm:.2f} mm").format(
        n=frame, last=count - 1, status=_status(place["status"]), mm=place["position_mm"]
    )
    if place["status"] == "ok":
        text += _(", confidence {confidence:.0f} %").format(confidence=100 * place["confidence"])
    return text
