"""Stand-ins for Slicer's widgets to place points, pick segments and play sequences."""

import weakref
from typing import Any

import slicer
import vtk
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QIcon, QPainter, QPixmap
from PySide6.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QSlider,
    QTableWidget,
    QTableWidgetItem,
    QToolButton,
    QVBoxLayout,
    QWidget,
)
from shiboken6 import Shiboken

from .declared import Declared
from .nodeComboBox import qMRMLNodeComboBox
from .qmrml import qMRMLWidget, qSlicerWidget


def _watch(widget: Any, node: Any, event: Any, action: str) -> None:
    """Call the widget's method at the node's event, instead of at that of the node watched before."""
    previous = widget.__dict__.pop("_watched", None)
    if previous is not None:
        previous[0].RemoveObserver(previous[1])
    if node is None:
        return
    me = weakref.ref(widget)  # an observer must not keep alive what nobody else holds

    def observe(*_: Any) -> None:
        alive = me()
        if alive is not None and Shiboken.isValid(alive):
            getattr(alive, action)()

    widget._watched = (node, node.AddObserver(event, observe))


def _dot(color: QColor) -> QIcon:
    """An icon like that of Slicer's place button: a point with an arrow's worth of room."""
    pixmap = QPixmap(16, 16)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setBrush(color)
    painter.drawEllipse(3, 3, 9, 9)
    painter.end()
    return QIcon(pixmap)


class qSlicerMarkupsPlaceWidget(qSlicerWidget, metaclass=Declared):
    """A button to place the points of one markups node, through the real selection and interaction nodes."""

    _constants = {
        "HidePlaceMultipleMarkupsOption": 0,
        "ShowPlaceMultipleMarkupsOption": 1,
        "ForcePlaceSingleMarkup": 2,
        "ForcePlaceMultipleMarkups": 3,
    }
    _defaults = {
        "buttonsVisible": True,
        "placeMultipleMarkups": 1,
        "deleteAllControlPointsOptionVisible": True,
        "unsetLastControlPointOptionVisible": True,
        "unsetAllControlPointsOptionVisible": True,
        "deleteAllMarkupsOptionVisible": True,
    }

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._node: Any = None
        self._placing = False
        self._place, self._delete = QToolButton(self), QToolButton(self)
        self._place.setCheckable(True)
        self._place.setIcon(_dot(QColor("#e3362c")))
        self._place.setToolTip("Place a control point")
        self._delete.setIcon(self.style().standardIcon(self.style().StandardPixmap.SP_TrashIcon))
        self._delete.setToolTip("Delete last control point")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for button in (self._place, self._delete):
            layout.addWidget(button)
        layout.addStretch(1)
        self._place.clicked.connect(lambda checked: self.setPlaceModeEnabled(checked))
        self._delete.clicked.connect(lambda: self.deleteLastPoint())
        self._show()

    def setMRMLScene(self, scene: Any) -> None:
        super().setMRMLScene(scene)
        _watch(self, self.interactionNode(), vtk.vtkCommand.ModifiedEvent, "_follow")
        self._show()

    def interactionNode(self) -> Any:
        return slicer.app.applicationLogic().GetInteractionNode() if self.mrmlScene() is not None else None

    def selectionNode(self) -> Any:
        return slicer.app.applicationLogic().GetSelectionNode() if self.mrmlScene() is not None else None

    def currentNode(self) -> Any:
        return self._node

    def currentMarkupsNode(self) -> Any:
        return self._node

    def placeButton(self) -> QToolButton:
        return self._place

    def deleteButton(self) -> QToolButton:
        return self._delete

    def setCurrentNode(self, node: Any) -> None:
        if node is self._node:
            return
        if self._placing:
            self.setPlaceModeEnabled(False)
        self._node = node
        self._show()

    def _read_currentNodeActive(self) -> bool:
        selection = self.selectionNode()
        return bool(self._node is not None and selection and selection.GetActivePlaceNodeID() == self._node.GetID())

    def _write_currentNodeActive(self, active: bool) -> None:
        self.setCurrentNodeActive(active)

    def setCurrentNodeActive(self, active: bool) -> None:
        selection = self.selectionNode()
        if active and self._node is not None:
            selection.SetReferenceActivePlaceNodeClassName(self._node.GetClassName())
            selection.SetReferenceActivePlaceNodeID(self._node.GetID())
        elif self._read_currentNodeActive():
            selection.SetReferenceActivePlaceNodeID(None)

    def _read_placeModeEnabled(self) -> bool:
        node = self.interactionNode()
        return bool(self._read_currentNodeActive() and node.GetCurrentInteractionMode() == node.Place)

    def _write_placeModeEnabled(self, enabled: bool) -> None:
        self.setPlaceModeEnabled(enabled)

    def setPlaceModeEnabled(self, enabled: bool) -> None:
        node = self.interactionNode()
        if node is None or self._node is None:
            self._show()
            return
        if enabled:
            self.setCurrentNodeActive(True)
            many = self.placeMultipleMarkups == 3 or (self.placeMultipleMarkups == 1 and self.placeModePersistency)
            node.SetPlaceModePersistence(1 if many else 0)
            node.SetCurrentInteractionMode(node.Place)
        elif self._read_placeModeEnabled():
            node.SetCurrentInteractionMode(node.ViewTransform)
        self._follow()

    def setPlaceModePersistency(self, many: bool) -> None:
        self.placeModePersistency = many

    def setPlaceMultipleMarkups(self, which: int) -> None:
        self.placeMultipleMarkups = which

    def _follow(self) -> None:
        placing = self._read_placeModeEnabled()
        if placing != self._placing:
            self._placing = placing
            self.activeMarkupsPlaceModeChanged.emit(placing)
            self.activeMarkupsFiducialPlaceModeChanged.emit(placing)
        self._show()

    def _show(self) -> None:
        usable = self._node is not None and self.mrmlScene() is not None
        self._place.setEnabled(usable)
        self._delete.setEnabled(usable)
        self._place.setChecked(usable and self._read_placeModeEnabled())

    def _on_buttonsVisible(self, shown: bool) -> None:
        self._place.setVisible(shown)
        self._delete.setVisible(shown)

    def setButtonsVisible(self, shown: bool) -> None:
        self.buttonsVisible = shown

    def deleteLastPoint(self) -> None:
        if self._node is not None and self._node.GetNumberOfControlPoints():
            self._node.RemoveNthControlPoint(self._node.GetNumberOfControlPoints() - 1)

    def deleteAllPoints(self) -> None:
        if self._node is not None:
            self._node.RemoveAllControlPoints()


class qSlicerSimpleMarkupsWidget(qSlicerWidget, metaclass=Declared):
    """A list of points with a button to place them."""

    _defaults = {"nodeSelectorVisible": True, "optionsVisible": True, "jumpToSliceEnabled": False}

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._selector = qMRMLNodeComboBox(self)
        self._selector.nodeTypes = ["vtkMRMLMarkupsFiducialNode"]
        self._placer = qSlicerMarkupsPlaceWidget(self)
        self._table = QTableWidget(0, 4, self)
        self._table.setHorizontalHeaderLabels(["Label", "R", "A", "S"])
        self._table.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        self._table.verticalHeader().hide()
        top = QHBoxLayout()
        top.addWidget(self._selector, 1)
        top.addWidget(self._placer)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(top)
        layout.addWidget(self._table)
        self._selector.currentNodeChanged.connect(lambda _node: self._changed())
        self._placer.activeMarkupsPlaceModeChanged.connect(self.activeMarkupsPlaceModeChanged)

    def setMRMLScene(self, scene: Any) -> None:
        super().setMRMLScene(scene)
        self._placer.setMRMLScene(scene)
        self._selector.setMRMLScene(scene)

    def currentNode(self) -> Any:
        return self._selector.currentNode()

    def setCurrentNode(self, node: Any) -> None:
        self._selector.setCurrentNode(node)

    def setNodeBaseName(self, name: str) -> None:
        self._selector.baseName = name

    def _changed(self) -> None:
        node = self.currentNode()
        self._placer.setCurrentNode(node)
        _watch(self, node, vtk.vtkCommand.AnyEvent, "_fill")
        self._fill()
        self.markupsNodeChanged.emit()
        self.markupsFiducialNodeChanged.emit()

    def _fill(self) -> None:
        node = self.currentNode()
        self._table.setRowCount(node.GetNumberOfControlPoints() if node is not None else 0)
        for row in range(self._table.rowCount()):
            position = node.GetNthControlPointPositionVector(row)
            texts = [node.GetNthControlPointLabel(row), *(f"{position.GetElement(i):.2f}" for i in range(3))]
            for column, text in enumerate(texts):
                self._table.setItem(row, column, QTableWidgetItem(text))
        self.updateFinished.emit()

    def tableWidget(self) -> QTableWidget:
        return self._table

    def markupsPlaceWidget(self) -> qSlicerMarkupsPlaceWidget:
        return self._placer

    def markupsSelectorComboBox(self) -> qMRMLNodeComboBox:
        return self._selector

    def placeActive(self, placing: bool) -> None:
        self._placer.setPlaceModeEnabled(placing)

    def _on_nodeSelectorVisible(self, shown: bool) -> None:
        self._selector.setVisible(shown)

    def setNodeSelectorVisible(self, shown: bool) -> None:
        self.nodeSelectorVisible = shown


class qMRMLSegmentSelectorWidget(qMRMLWidget, metaclass=Declared):
    """A segmentation and one of its segments."""

    _defaults = {"segmentationNodeSelectorVisible": True, "selectNodeUponCreation": True}

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._selector, self._segments = qMRMLNodeComboBox(self), QComboBox(self)
        self._selector.nodeTypes = ["vtkMRMLSegmentationNode"]
        self._selector.noneEnabled = True
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._selector)
        layout.addWidget(self._segments)
        self._selector.currentNodeChanged.connect(lambda node: self._changed(node))
        self._segments.currentIndexChanged.connect(
            lambda _index: self.currentSegmentChanged.emit(self.currentSegmentID())
        )

    def setMRMLScene(self, scene: Any) -> None:
        super().setMRMLScene(scene)
        self._selector.setMRMLScene(scene)

    def _changed(self, node: Any) -> None:
        _watch(self, node, vtk.vtkCommand.AnyEvent, "_fill")
        self._fill()
        self.currentNodeChanged.emit(node)
        self.currentNodeChanged_bool.emit(node is not None)

    def _fill(self) -> None:
        wanted = self.segmentIDs()
        shown = [self._segments.itemData(i) for i in range(self._segments.count()) if self._segments.itemData(i)]
        if wanted == shown:
            return
        before, node = self.currentSegmentID(), self.currentNode()
        self._segments.blockSignals(True)
        self._segments.clear()
        if self.noneEnabled:
            self._segments.addItem("None", "")
        for identifier in wanted:
            self._segments.addItem(node.GetSegmentation().GetSegment(identifier).GetName(), identifier)
        self._segments.setCurrentIndex(max(self._segments.findData(before), 0 if self._segments.count() else -1))
        self._segments.blockSignals(False)
        if self.currentSegmentID() != before:
            self.currentSegmentChanged.emit(self.currentSegmentID())

    def currentNode(self) -> Any:
        return self._selector.currentNode()

    def currentNodeID(self) -> str:
        return self._selector.currentNodeID

    def setCurrentNode(self, node: Any) -> None:
        self._selector.setCurrentNode(node)

    def setCurrentNodeID(self, identifier: str) -> None:
        self._selector.setCurrentNodeID(identifier)

    def segmentIDs(self) -> list[str]:
        node = self.currentNode()
        return list(node.GetSegmentation().GetSegmentIDs()) if node is not None else []

    def currentSegmentID(self) -> str:
        return self._segments.currentData() or ""

    def setCurrentSegmentID(self, identifier: str) -> None:
        self._segments.setCurrentIndex(self._segments.findData(identifier))

    def _on_segmentationNodeSelectorVisible(self, shown: bool) -> None:
        self._selector.setVisible(shown)


class qMRMLSequenceBrowserSeekWidget(qMRMLWidget, metaclass=Declared):
    """A slider over the items of a sequence."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._browser: Any = None
        self._slider, self._label = QSlider(Qt.Orientation.Horizontal, self), QLabel(self)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._slider)
        layout.addWidget(self._label)
        self._slider.valueChanged.connect(lambda number: self.setSelectedItemNumber(number))
        self._show()

    def setMRMLSequenceBrowserNode(self, node: Any) -> None:
        self._browser = node
        _watch(self, node, vtk.vtkCommand.ModifiedEvent, "_show")
        self._show()

    def setSelectedItemNumber(self, number: int) -> None:
        if self._browser is not None and number != self._browser.GetSelectedItemNumber():
            self._browser.SetSelectedItemNumber(number)

    def slider(self) -> QSlider:
        return self._slider

    def _show(self) -> None:
        count = self._browser.GetNumberOfItems() if self._browser is not None else 0
        self._slider.blockSignals(True)
        self._slider.setEnabled(count > 0)
        self._slider.setRange(0, max(count - 1, 0))
        if count:
            self._slider.setValue(self._browser.GetSelectedItemNumber())
        self._slider.blockSignals(False)
        self._label.setText(f"{self._slider.value() + 1} / {count}" if count else "0 / 0")
