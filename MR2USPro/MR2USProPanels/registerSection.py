"""The section that registers the pair, shows how it goes, and says what came of it."""

from __future__ import annotations

import json
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from MR2USProLib.errors import InputError
from MR2USProLib.registration import SELF_SIMILARITY

from . import guiding, registerWords, scoring, signs, sliceLayers, startPose, undeforming
from .case import Case
from .choiceBox import ChoiceBox
from .environment import device, environment
from .jobRow import JobRow
from .jobRunner import Callbacks
from .liveRegistration import LiveRegistration
from .lossPlot import chartNodes
from .plotRoom import PlotRoom
from .reconstructed import isPresent
from .registered import NODES, STALE, Registered, isOfPair, isOutdated, keepRegistration, registrationOf
from .sceneNodes import imageTime, removeNodes
from .section import Section

HOLDING_VOLUME = ("auto", SELF_SIMILARITY, "anatomy-aware")
"""Registrations that can be charged for changes of volume."""


class RegisterSection(Section):
    """Method, scoring, the run, and its figures."""

    title = _("Register")
    isChecked = True

    def __init__(self, logic: Any) -> None:
        super().__init__("Register", logic)
        self._live: LiveRegistration | None = None
        self._liveNode: Any = None
        self._room = PlotRoom()
        self._plotted = self._forRun = False
        self._observed: list[tuple[Any, int]] = []
        self._translation = ChoiceBox(
            self.ui.translationComboBox,
            {
                "auto": _("Automatic: as suits the registration"),
                "acmt": _("ACMT: both to one intermediate modality"),
                "pmt": _("PMT: both to one, by a discriminator"),
                "unsb": _("UNSB: the MR to the look of the TRUS"),
                "none": _("None: compare the images as they are"),
            },
            lambda key: self._set("translation", key),
        )
        self._registration = ChoiceBox(
            self.ui.registrationComboBox,
            {
                "auto": _("Automatic: as trained, else self-similarity"),
                SELF_SIMILARITY: _("Self-similarity: what both show alike, no network"),
                "anatomy-aware": _("Anatomy-aware diffusion network"),
                "fsdiffreg": _("FSDiffReg"),
                "diffusemorph": _("DiffuseMorph"),
                "voxelmorph": _("VoxelMorph"),
                "surfaces": _("Surfaces and points only, no network"),
            },
            lambda key: self._set("registration", key),
        )
        self.ui.weightsPath.nameFilters = (_("Weights") + " (*.safetensors)", _("All files") + " (*)")
        self.ui.weightsPath.connect("currentPathChanged(QString)", lambda path: self._set("weightsFile", path))
        self._preset = ChoiceBox(
            self.ui.presetComboBox,
            {
                "fast": _("Fast: 64 x 64 x 32 voxels"),
                "balanced": _("Balanced: 96 x 96 x 48 voxels"),
                "paper": _("Paper: 128 x 128 x 64 voxels"),
            },
            lambda key: self._set("preset", key),
        )
        self.row: JobRow = JobRow(self.ui.runBox.layout(), logic.runner)
        self.row.onRun = self._onRun
        environment().watchers.append(self.changed)
        self.ui.lossesButton.connect("toggled(bool)", self._onShowLosses)
        self.ui.reportButton.connect("clicked(bool)", self._onOpenReport)
        self.ui.undeformButton.connect("clicked(bool)", self._onUndeform)
        self.ui.figuresTable.setHorizontalHeaderLabels([_("Figure"), _("Before"), _("After"), _("Unit")])
        self.ui.figuresTable.verticalHeader().visible = False
        self.ui.figuresTable.verticalHeader().setDefaultSectionSize(22)
        self.ui.figuresTable.horizontalHeader().setSectionResizeMode(0, qt.QHeaderView.Stretch)
        for column in (1, 2, 3):
            self.ui.figuresTable.horizontalHeader().setSectionResizeMode(column, qt.QHeaderView.ResizeToContents)

    def need(self) -> str:
        """What is missing before the pair can be registered."""
        missing = startPose.need(self.case)
        if missing or self.case is None:
            return missing
        if (self.case.mrSegmentation is None) != (self.case.trusSegmentation is None):
            return _("Choose the other segmentation, or none")
        return guiding.need(self.case)

    def done(self) -> bool:
        """Whether the pair was registered."""
        return self.case is not None and self.case.warped is not None and not isOutdated(self.case)

    def cleanup(self) -> None:
        """Let go of the case and of the environment."""
        environment().watchers.remove(self.changed)
        self._observe([])
        super().cleanup()

    def setCase(self, case: Case | None) -> None:
        """Show another case."""
        if not self.shows(case):
            self.ui.lossesButton.checked = False
        if case is None:
            self._observe([])
            if not self.logic.runner.busy:  # the scene was closed, and the job ended with it
                self._live = None
        super().setCase(case)

    def refresh(self) -> None:
        """Offer the run, and show the figures of the last one."""
        case = self.case
        assert case is not None
        self._translation.show(case.translation)
        self._registration.show(case.registration)
        self._preset.show(case.preset)
        self.ui.translationComboBox.enabled = case.registration != "surfaces"  # which looks at no picture
        self._observe([case.mrMarks, case.trusMarks])
        self.ui.incompressibleBox.enabled = case.registration in HOLDING_VOLUME
        if self.ui.weightsPath.currentPath != case.weightsFile:
            self.ui.weightsPath.currentPath = case.weightsFile
        cost = self._cost(case)
        self.ui.costLabel.text = _("On this machine: {cost}.").format(cost=cost) if cost else ""
        self.ui.costLabel.visible = bool(cost)
        need, trouble = self.need(), ""
        if not need:
            environment().lookOnce()  # for what the presets cost here
        if not need and case.mrSegmentation is not None:
            try:
                scoring.structuresOf(case.mrSegmentation, case.trusSegmentation)
            except InputError as error:
                need, trouble = _("The segmentations do not match"), str(error)
        text = _("Register again") if case.warped is not None else _("Register")
        self.row.offer(need or text, not need, trouble or _("Find the deformation that brings the MR onto the TRUS."))
        self._showFigures(case)
        self.ui.lossesButton.visible = self._losses() is not None
        if self._losses() is None:  # deleted, or the last run had none
            self.ui.lossesButton.checked = False
        self.ui.reportButton.visible = case.report is not None

    def _cost(self, case: Case) -> str:
        """What the registration takes on this machine, in words; empty as long as that is not known."""
        if case.registration == "auto" and case.weightsFile:
            return ""  # only the worker looks into the file
        registration = SELF_SIMILARITY if case.registration == "auto" else case.registration
        return environment().presetText(case.preset, registration)

    def _showFigures(self, case: Case) -> None:
        figures = json.loads(case.registerResults) if case.registerResults and case.warped is not None else None
        table = self.ui.figuresTable
        self.ui.figuresBox.visible = self.ui.verdictLabel.visible = figures is not None
        self.ui.undeformButton.visible = undeforming.offered(case, figures)
        signs.show(self.ui.verdictIcon, "")
        if figures is None:
            return
        sentences, level = registerWords.verdict(figures), registerWords.level(figures)
        if isOutdated(case):
            sentences, level = (
                [_("This is of other images than those chosen now: register again."), *sentences],
                "check",
            )
        self.ui.verdictLabel.text = "\n".join(sentences)
        signs.show(self.ui.verdictIcon, level)
        rows = registerWords.rows(figures)
        table.setRowCount(len(rows))
        for n, row in enumerate(rows):
            for column, text in enumerate(row):
                table.setItem(n, column, qt.QTableWidgetItem(text))

    def _observe(self, nodes: list[Any]) -> None:
        """Follow the points that are marked, of which the case hears nothing."""
        for node, tag in self._observed:
            node.RemoveObserver(tag)
        markups = slicer.vtkMRMLMarkupsNode
        self._observed = [
            (node, node.AddObserver(event, self.changed))
            for node in nodes
            if node is not None
            for event in (markups.PointAddedEvent, markups.PointRemovedEvent, markups.PointPositionDefinedEvent)
        ]

    def _set(self, field: str, key: str) -> None:
        assert self.case is not None
        setattr(self.case, field, key)

    def _onRun(self) -> None:
        case = self.case
        assert case is not None
        pose = startPose.update(case)
        trus, image = case.trus, imageTime(case.trus)
        self.logic.register(
            case.mr,
            trus,
            pose,
            *startPose.regionsOf(case),
            translation=case.translation,
            registration=case.registration,
            preset=case.preset,
            weights=case.weightsFile or None,
            incompressible=case.incompressible and case.registration in HOLDING_VOLUME,
            doubleSlices=case.doubleSlices,
            findGlands=case.findGlands,
            seed=case.seed,
            device=device(),
            mrGland=case.mrGland,
            trusGland=case.trusGland,
            mrMarks=case.mrMarks,
            trusMarks=case.trusMarks,
            mrSegmentation=case.mrSegmentation,
            trusSegmentation=case.trusSegmentation,
            into=registrationOf(case) if isOfPair(case) else None,  # what came of another pair stays in the scene
            callbacks=Callbacks(
                onDone=lambda found: self._onDone(case, found, stale=imageTime(trus) != image),
                onFailed=lambda error: self._end(),
                onCancelled=self._end,
                onEvent=self._onEvent,
            ),
        )
        case.usedStart = startPose.choice(case)
        self._live, self._liveNode = LiveRegistration(self.logic.runner, trus), case.parameterNode
        self._plotted = False

    def _onEvent(self, event: dict[str, Any]) -> None:
        if self._live is None:
            return
        self._live.hear(event, visible=self._isLive())
        if self._live.plot.chart is not None and self._isLive() and not self._plotted:
            self._plotted = True
            button = self.ui.lossesButton
            self._forRun = not button.checked  # else the last run's losses were looked at, and are followed by these
            button.visible = button.checked = True
            self._room.show(self._losses())

    def _isLive(self) -> bool:
        """Whether the run under way is that of the case that is shown."""
        return self._live is not None and self.case is not None and self.case.parameterNode is self._liveNode

    def _losses(self) -> Any:
        """The chart of the run under way as soon as there is something to see in it, else that of the last run."""
        live = self._live.plot.chart if self._live is not None and self._isLive() else None
        return live if live is not None or self.case is None else self.case.losses

    def _end(self, *, keepPlot: bool = False) -> None:
        if self._forRun:
            self.ui.lossesButton.checked = False
        if self._live is not None:
            self._live.end(keepPlot=keepPlot)
        self._live = None
        if self.ui.lossesButton.checked:
            self._room.show(self._losses())
        self.changed()

    def _onDone(self, case: Case, found: Registered, *, stale: bool = False) -> None:
        if not isPresent(case):
            self._end()
            removeNodes(*(getattr(found, name) for name in NODES))
            return
        chart = self._live.plot.chart if self._live is not None else None
        removeNodes(*chartNodes(case.losses))
        if case.warped is None and self.shows(case):  # later runs are looked at where the earlier ones were
            sliceLayers.fit(case.trus)
        with slicer.util.NodeModify(case.parameterNode):
            case.losses = chart
            keepRegistration(case, found)
            if stale:  # the TRUS volume was made anew meanwhile
                found.deformation.SetAttribute(STALE, "1")
        self._end(keepPlot=True)

    def _onShowLosses(self, shown: bool) -> None:
        if shown:
            self._room.show(self._losses())
        else:
            self._forRun = False
            self._room.giveBack()

    def _onUndeform(self, checked: bool = False) -> None:
        assert self.case is not None
        undeforming.undeform(self.case)

    def _onOpenReport(self, checked: bool = False) -> None:
        assert self.case is not None
        from pathlib import Path

        path = Path(slicer.app.temporaryPath) / "MR2USPro-report.html"
        path.write_text(self.case.report.GetText(), "utf-8")
        qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(path)))
