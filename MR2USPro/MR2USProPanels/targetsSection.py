"""The section that carries what was drawn on the MR to the TRUS."""

from __future__ import annotations

from typing import Any

import numpy as np
import qt
import slicer
import vtk
from slicer.i18n import tr as _

from . import carrying, sliceLayers
from .case import Case
from .registered import STALE, areTargetsCarried, isOutdated
from .sceneNodes import referenced
from .section import Section
from .telling import told

TARGETS = "targets"
"""Role of the references from a case to what the user wants carried."""
COLUMNS = ("MR R", "MR A", "MR S", "TRUS R", "TRUS A", "TRUS S", "Shift", "Uncertainty")
"""Columns of the table node after the name, mm RAS; without the last one where it is known of no target."""


class TargetsSection(Section):
    """Chooses targets, carries them, and lists where they lie."""

    title = _("Targets")
    isChecked = True

    def __init__(self, logic: Any) -> None:
        super().__init__("Targets", logic)
        self.ui.targetsSelector.connect("checkedNodesChanged()", self._onChecked)
        self.ui.carryButton.connect("clicked(bool)", self._onCarry)
        table = self.ui.targetsTable
        table.connect("cellClicked(int,int)", self._onClicked)
        table.setHorizontalHeaderLabels([_("Target"), _("TRUS (mm)"), _("Shift (mm)"), _("\N{PLUS-MINUS SIGN} (mm)")])
        table.verticalHeader().visible = False
        table.verticalHeader().setDefaultSectionSize(22)
        table.horizontalHeader().setSectionResizeMode(0, qt.QHeaderView.Stretch)
        for column in (1, 2, 3):
            table.horizontalHeader().setSectionResizeMode(column, qt.QHeaderView.ResizeToContents)

    def need(self) -> str:
        """What is missing before anything can be carried."""
        if self.case is None or self.case.deformation is None:
            return _("Register first")
        if isOutdated(self.case):
            return _("Register again first")
        if any(carrying.isCarried(node) for node in self._targets()):
            return _("Uncheck what was carried already")
        return "" if self._targets() else _("Check what is to be carried")

    def done(self) -> bool:
        """Whether targets were carried by the last registration."""
        return self.case is not None and areTargetsCarried(self.case)

    def refresh(self) -> None:
        """Show the choice, what is missing, and where the targets lie."""
        case = self.case
        assert case is not None
        selector = self.ui.targetsSelector
        wanted = {node.GetID() for node in self._targets()}
        wasBlocked = selector.blockSignals(True)
        for node in list(selector.checkedNodes()):
            if node.GetID() not in wanted:
                selector.uncheck(node)
        for node in self._targets():
            selector.check(node)
        selector.blockSignals(wasBlocked)
        need = self.need()
        self.ui.carryButton.enabled = not need
        self.ui.carryButton.text = need or _("Carry to TRUS")
        table = case.targetTable
        stale = table is not None and not areTargetsCarried(case)
        self.ui.carriedLabel.text = (
            _("Registration or images were changed since targets were carried: these are hidden until carried again.")
            if stale
            else ""
        )
        if stale:  # over the TRUS they would be seen where they no longer belong
            for copy in carrying.carriedBy(case.deformation):
                copy.SetDisplayVisibility(False)
        self.ui.carriedLabel.visible = stale
        self.ui.targetsTable.visible = table is not None
        if table is not None:
            self._list(table)

    def _targets(self) -> list[Any]:
        return [] if self.case is None else targetsOf(self.case)

    def _list(self, node: Any) -> None:
        table, widget = node.GetTable(), self.ui.targetsTable
        widget.setRowCount(table.GetNumberOfRows())
        widget.setColumnHidden(3, table.GetNumberOfColumns() <= len(COLUMNS))
        for row in range(table.GetNumberOfRows()):
            values = [table.GetValue(row, column) for column in range(table.GetNumberOfColumns())]
            numbers = [value.ToDouble() for value in values[1:]]
            texts = [values[0].ToString(), _position(numbers[3:6]), *(_length(number) for number in numbers[6:])]
            for column, text in enumerate(texts):
                item = qt.QTableWidgetItem(text)
                item.setToolTip(_("{target}: {mr} in the MR").format(target=texts[0], mr=_position(numbers[:3])))
                widget.setItem(row, column, item)

    def _onChecked(self) -> None:
        if self.case is None:
            return
        with slicer.util.NodeModify(self.case.parameterNode):
            self.case.parameterNode.RemoveNodeReferenceIDs(TARGETS)
            for node in self.ui.targetsSelector.checkedNodes():
                self.case.parameterNode.AddNodeReferenceID(TARGETS, node.GetID())

    def _onCarry(self, checked: bool = False) -> None:
        case = self.case
        assert case is not None
        with told(_("The targets could not be carried.")):
            nodes = self._targets()
            carried = self.logic.carry(nodes, case.deformation)
            found = [
                target
                for node, copy in zip(nodes, carried, strict=True)
                for target in carrying.compare(node, copy, case.deformation, case.uncertainty)
            ]
            case.targetTable = tableOf(found, case.targetTable)
            self.refresh()

    def _onClicked(self, row: int, column: int) -> None:
        if self.case is not None and self.case.targetTable is not None:
            table = self.case.targetTable.GetTable()
            sliceLayers.jumpTo([table.GetValue(row, n).ToDouble() for n in (4, 5, 6)])


def targetsOf(case: Case) -> list[Any]:
    """The nodes on the MR that a case has chosen as targets."""
    return referenced(case.parameterNode, TARGETS)


def tableOf(targets: list[carrying.Target], node: Any = None) -> Any:
    """A table node of carried targets: name, position in MR and TRUS (mm RAS), shift and uncertainty (mm)."""
    if node is None:
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", _("Targets"))
    node.RemoveAllColumns()
    names = vtk.vtkStringArray()
    names.SetName(_("Target"))
    titles = COLUMNS[:-1] if all(np.isnan(target.uncertainty) for target in targets) else COLUMNS
    columns = [vtk.vtkDoubleArray() for _name in titles]
    for column, title in zip(columns, titles, strict=True):
        column.SetName(title)
    for target in targets:
        names.InsertNextValue(target.name)
        values = (*target.mr, *target.trus, target.shift, target.uncertainty)[: len(columns)]
        for column, value in zip(columns, values, strict=True):
            column.InsertNextValue(value)
    for column in (names, *columns):
        node.AddColumn(column)
    node.RemoveAttribute(STALE)
    return node


def _position(ras: list[float]) -> str:
    return ", ".join(f"{x:.1f}" for x in ras)


def _length(mm: float) -> str:
    return "" if np.isnan(mm) else f"{mm:.1f}"
