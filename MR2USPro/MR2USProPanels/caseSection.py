"""The section at the top of the guided exam: which case is shown, what is next, and sample data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from .case import Case, cases, currentCase, newCase, removeCase, setCurrentCase
from .examSection import INPUTS
from .jobRow import JobRow
from .jobRunner import Callbacks
from .reconstructed import isPresent
from .section import Section
from .telling import told


class CaseSection(Section):
    """Chooses among the cases of the scene and makes new ones.

    Attributes:
        onCaseChosen: called without arguments after another case became the current one.
    """

    title = _("Case")

    def __init__(self, logic: Any) -> None:
        super().__init__("Case", logic)
        self.onCaseChosen: Callable[[], None] = lambda: None
        self._listed: list[Case] = []
        self._runners = [logic.runner, logic.reconstructLogic.runner, logic.registerLogic.runner]
        self._busy: list[Any] = []
        for runner in self._runners:
            runner.watchers.append(self._onRunner)
        self.row: JobRow = JobRow(self.ui.jobArea.layout(), logic.runner)
        self.row.onRun = self._onSimulate
        self.row.offer(_("Simulated exam"), True, _("Simulate an exam with known truth on this machine, and load it."))
        self.ui.caseComboBox.connect("activated(int)", self._onChosen)
        self.ui.newCaseButton.connect("clicked(bool)", self._onNew)
        self.ui.removeCaseButton.connect("clicked(bool)", self._onRemove)
        self.ui.nameEdit.connect("editingFinished()", self._onRenamed)
        self.ui.loadMrButton.connect("clicked(bool)", self._onLoadMr)
        self.ui.prostatePairButton.connect("clicked(bool)", self._onProstatePair)

    def setCase(self, case: Case | None) -> None:
        """Show another case, or none."""
        self.ui.nameEdit.modified = False
        super().setCase(case)

    def refresh(self) -> None:
        """List the cases."""
        assert self.case is not None
        self._listed = cases()
        box = self.ui.caseComboBox
        wasBlocked = box.blockSignals(True)
        box.clear()
        for case in self._listed:
            box.addItem(case.parameterNode.GetName())
        names = [case.parameterNode.GetID() for case in self._listed]
        box.currentIndex = names.index(self.case.parameterNode.GetID())
        box.blockSignals(wasBlocked)
        if not self.ui.nameEdit.modified:  # nobody is typing another one
            self.ui.nameEdit.text = self.case.parameterNode.GetName()
        self.ui.sampleBox.visible = _isEmpty(self.case) or self.logic.runner.busy
        busy = any(runner.isAt(self.case.parameterNode) for runner in self._runners)
        self.ui.removeCaseButton.enabled = not busy
        self.ui.removeCaseButton.toolTip = (
            _("A job is under way, whose result would have no place: wait for it to end, or cancel it.")
            if busy
            else _("Remove this case with its images and results from the scene. Asks first.")
        )

    def _onRunner(self) -> None:
        busy = [runner for runner in self._runners if runner.busy]
        if busy != self._busy:
            self._busy = busy
            self.changed()

    def _onChosen(self, index: int) -> None:
        setCurrentCase(self._listed[index])
        self.onCaseChosen()

    def _onNew(self, checked: bool = False) -> None:
        newCase()
        self.onCaseChosen()

    def _onRenamed(self) -> None:
        name = self.ui.nameEdit.text.strip()
        self.ui.nameEdit.modified = False
        if self.case is not None and name:
            self.case.parameterNode.SetName(name)
        self.changed()

    def _onRemove(self, checked: bool = False) -> None:
        assert self.case is not None
        name = self.case.parameterNode.GetName()
        text = _("Remove {name} with all of its images and results from the scene? Files on disk stay.")
        if slicer.util.confirmOkCancelDisplay(text.format(name=name), _("Remove case")):
            removeCase(self.case)
            currentCase()
            self.onCaseChosen()

    def _onLoadMr(self, checked: bool = False) -> None:
        assert self.case is not None
        kinds = _("Volumes (*.nrrd *.nhdr *.nii *.nii.gz *.mha *.mhd);;All files (*)")
        path = qt.QFileDialog.getOpenFileName(slicer.util.mainWindow(), _("Load the MR"), "", kinds)
        if path:
            with told(_("The MR could not be loaded.")):
                self.case.mr = slicer.util.loadVolume(path)

    def _onSimulate(self) -> None:
        case = self.case
        assert case is not None
        self.logic.simulateExam(callbacks=Callbacks(onDone=lambda exam: self._onSimulated(case, exam)))

    def _onSimulated(self, case: Case, exam: Any) -> None:
        if not isPresent(case) or not _isEmpty(case):
            case = newCase(_("Simulated exam"))  # what was chosen meanwhile stays
        exam.putInto(case)
        self.onCaseChosen()

    def _onProstatePair(self, checked: bool = False) -> None:
        import SampleData

        assert self.case is not None
        with told(_("The sample could not be downloaded.")):
            mr, trus = SampleData.downloadSamples("MRUSProstate")
            self.case.mr, self.case.trus = mr, trus
            self.onCaseChosen()


def _isEmpty(case: Case) -> bool:
    """Whether nothing was chosen for a case yet."""
    inputs = [getattr(case, field) for fields in INPUTS.values() for field in fields]
    return not any(inputs) and case.sagittalFrames is None and case.mr is None
