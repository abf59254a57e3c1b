"""Stand-in for qMRMLNodeComboBox: a list of nodes that follows the real MRML scene."""

import weakref
from typing import Any

import slicer
import vtk
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QSizePolicy, QWidget
from shiboken6 import Shiboken

from . import dialogs
from .declared import Declared

SceneEvents = slicer.vtkMRMLScene


class qMRMLNodeComboBox(QWidget, metaclass=Declared):
    """A combo box with the nodes of some classes."""

    _defaults = {
        "showChildNodeTypes": True,
        "addEnabled": True,
        "removeEnabled": True,
        "noneDisplay": "None",
        "selectNodeUponCreation": True,
        "sizeAdjustPolicy": 0,
    }

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._combo = QComboBox(self)
        self._combo.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._combo.setMinimumContentsLength(8)
        self._combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._combo)
        self._scene: Any = None
        self._observed: list[tuple[Any, int]] = []
        self._attributes: dict[tuple[str, str], Any] = {}
        self._labels: dict[str, str] = {}
        self._current: str = ""
        self._combo.currentIndexChanged.connect(self._picked)  # Qt would keep a lambda, and with it this widget, alive
        self._combo.activated.connect(self._activated)
        self._refresh()

    # The scene

    def setMRMLScene(self, scene: Any) -> None:
        if scene is self._scene:
            return
        self._forget()
        self._scene = scene
        if scene is not None:
            self._watch()
        self._refresh()

    def mrmlScene(self) -> Any:
        return self._scene

    def _watch(self) -> None:
        me, observed = weakref.ref(self), self._observed

        def alive() -> Any:
            widget = me()
            if widget is not None and Shiboken.isValid(widget):
                return widget
            for caller, tag in observed:
                caller.RemoveObserver(tag)
            observed.clear()
            return None

        def changed(_caller: Any, _event: str) -> None:
            if (widget := alive()) is not None:
                widget._refresh()

        @vtk.calldata_type(vtk.VTK_OBJECT)
        def added(_caller: Any, _event: str, node: Any) -> None:
            if (widget := alive()) is not None:
                widget._refresh()
                if widget._shows(node):
                    widget.nodeAdded.emit(node)

        @vtk.calldata_type(vtk.VTK_OBJECT)
        def removing(_caller: Any, _event: str, node: Any) -> None:
            if (widget := alive()) is not None and widget._shows(node):
                widget.nodeAboutToBeRemoved.emit(node)

        scene = self._scene
        for event in (SceneEvents.NodeRemovedEvent, SceneEvents.EndBatchProcessEvent):
            observed.append((scene, scene.AddObserver(event, changed)))
        observed.append((scene, scene.AddObserver(SceneEvents.NodeAddedEvent, added)))
        observed.append((scene, scene.AddObserver(SceneEvents.NodeAboutToBeRemovedEvent, removing)))

        def renamed(node: Any, _event: str) -> None:
            if (widget := alive()) is not None:
                widget._renamed(node)

        self._onRenamed = renamed
        self._named: dict[str, tuple[Any, int]] = {}

    def _forget(self) -> None:
        for caller, tag in [*self._observed, *getattr(self, "_named", {}).values()]:
            caller.RemoveObserver(tag)
        self._observed.clear()
        self._named = {}

    # Which nodes

    def _shows(self, node: Any) -> bool:
        if node.GetHideFromEditors() and not self.showHidden:
            return False
        kinds = [kind for kind in self.nodeTypes if node.IsA(kind)]
        if not self.showChildNodeTypes:
            kinds = [kind for kind in kinds if kind == node.GetClassName()]
        if not kinds or any(node.IsA(kind) for kind in self.hideChildNodeTypes):
            return False
        for (kind, name), value in self._attributes.items():
            if node.IsA(kind):
                found = node.GetAttribute(name)
                if found is None or (value is not None and found != str(value)):
                    return False
        return True

    def _nodes(self) -> list[Any]:
        if self._scene is None:
            return []
        nodes = [self._scene.GetNthNode(index) for index in range(self._scene.GetNumberOfNodes())]
        return [node for node in nodes if self._shows(node)]

    def _refresh(self, *_: Any) -> None:
        if self._scene is not None and self._scene.IsBatchProcessing():
            return
        nodes = self._nodes()
        self._combo.blockSignals(True)
        self._combo.clear()
        if self.noneEnabled or not nodes:
            self._combo.addItem(self.noneDisplay if self.noneEnabled else self._invitation(), "")
        for node in nodes:
            self._combo.addItem(node.GetName(), node.GetID())
            if node.GetID() not in self._named:
                tag = node.AddObserver(vtk.vtkCommand.ModifiedEvent, self._onRenamed)
                self._named[node.GetID()] = (node, tag)
        self._combo.blockSignals(False)
        identifiers = [node.GetID() for node in nodes]
        for identifier in [i for i in self._named if i not in identifiers] if self._scene else []:
            node, tag = self._named.pop(identifier)
            node.RemoveObserver(tag)
        if self._current in identifiers:
            self._combo.setCurrentIndex(self._combo.findData(self._current))
        else:
            self._select("" if self.noneEnabled or not nodes else identifiers[0])

    def _renamed(self, node: Any) -> None:
        index = self._combo.findData(node.GetID())
        if index < 0 or not self._shows(node):
            self._refresh()
        elif self._combo.itemText(index) != node.GetName():
            self._combo.setItemText(index, node.GetName())
            if node.GetID() == self._current:
                self.currentNodeRenamed.emit(node.GetName())

    def _invitation(self) -> str:
        kind = self.nodeTypes[0] if self.nodeTypes else ""
        label = self._labels.get(kind) or (self._tag(kind) if kind else "node")
        return f"Select a {label}"

    def _tag(self, kind: str) -> str:
        return (self._scene.GetTagByClassName(kind) if self._scene else None) or kind.removeprefix("vtkMRML")

    def _on_nodeTypes(self, _kinds: Any) -> None:
        self._refresh()

    _on_showHidden = _on_showChildNodeTypes = _on_hideChildNodeTypes = _on_noneEnabled = _on_nodeTypes
    _on_noneDisplay = _on_nodeTypes

    def addAttribute(self, kind: str, name: str, value: Any = None) -> None:
        self._attributes[kind, name] = value
        self._refresh()

    def removeAttribute(self, kind: str, name: str) -> None:
        self._attributes.pop((kind, name), None)
        self._refresh()

    def setNodeTypeLabel(self, label: str, kind: str) -> None:
        self._labels[kind] = label
        self._refresh()

    def nodeTypeLabel(self, kind: str) -> str:
        return self._labels.get(kind, self._tag(kind))

    def nodeCount(self) -> int:
        return len(self._nodes())

    def nodeFromIndex(self, index: int) -> Any:
        nodes = self._nodes()
        return nodes[index] if 0 <= index < len(nodes) else None

    # The current node

    def _picked(self, index: int) -> None:
        self._select(self._combo.itemData(index) or "")

    def _activated(self, _index: int) -> None:
        self.nodeActivated.emit(self.currentNode())

    def _select(self, identifier: str) -> None:
        before, self._current = self._current, identifier
        index = self._combo.findData(identifier)
        self._combo.blockSignals(True)
        self._combo.setCurrentIndex(index)
        self._combo.blockSignals(False)
        if before != identifier:
            node = self.currentNode()
            self.currentNodeChanged.emit(node)
            self.currentNodeChanged_bool.emit(node is not None)
            self.currentNodeIDChanged.emit(identifier)

    def currentNode(self) -> Any:
        return self._scene.GetNodeByID(self._current) if self._scene is not None and self._current else None

    def setCurrentNode(self, node: Any) -> None:
        self.setCurrentNodeID(node if isinstance(node, str) else node.GetID() if node is not None else "")

    def setCurrentNodeID(self, identifier: str) -> None:
        if identifier and self._scene is None:
            self._current = identifier  # taken up when the scene comes
        elif identifier and self._combo.findData(identifier) >= 0:
            self._select(identifier)
        else:
            self._select("")

    def setCurrentNodeIndex(self, index: int) -> None:
        self.setCurrentNode(self.nodeFromIndex(index))

    def _read_currentNodeID(self) -> str:
        return self._current if self.currentNode() is not None else ""

    def _write_currentNodeID(self, identifier: str) -> None:
        self.setCurrentNodeID(identifier)

    _read_currentNodeId, _write_currentNodeId = _read_currentNodeID, _write_currentNodeID

    # What the user may do to nodes

    def addNode(self, kind: str = "") -> Any:
        if self._scene is None:
            return None
        kind = kind or self.nodeTypes[0]
        name = self._scene.GenerateUniqueName(self.baseName or self._tag(kind))
        node = self._scene.CreateNodeByClass(kind)
        node.UnRegister(None)
        node.SetName(name)
        for (owner, attribute), value in self._attributes.items():
            if node.IsA(owner):
                node.SetAttribute(attribute, str(value) if value is not None else "")
        node = self._scene.AddNode(node)
        if self.selectNodeUponCreation:
            self.setCurrentNode(node)
        self.nodeAddedByUser.emit(node)
        return node

    def removeCurrentNode(self) -> None:
        if (node := self.currentNode()) is not None:
            self._scene.RemoveNode(node)

    def renameCurrentNode(self) -> None:
        if (node := self.currentNode()) is not None and (name := dialogs._text(None)):
            node.SetName(name)

    def editCurrentNode(self) -> None:
        if (node := self.currentNode()) is not None:
            self.nodeAboutToBeEdited.emit(node)


class qMRMLCheckableNodeComboBox(qMRMLNodeComboBox, metaclass=Declared):
    """A combo box in which several nodes can be checked."""

    def _refresh(self, *_: Any) -> None:
        checked = {node.GetID() for node in self.checkedNodes()} if hasattr(self, "_combo") else set()
        super()._refresh()
        for index in range(self._combo.count()):
            if identifier := self._combo.itemData(index):
                state = Qt.CheckState.Checked if identifier in checked else Qt.CheckState.Unchecked
                self._combo.setItemData(index, state.value, Qt.ItemDataRole.CheckStateRole)

    def _set(self, node: Any, state: Qt.CheckState) -> None:
        index = self._combo.findData(node.GetID())
        if index >= 0 and self._combo.itemData(index, Qt.ItemDataRole.CheckStateRole) != state.value:
            self._combo.setItemData(index, state.value, Qt.ItemDataRole.CheckStateRole)
            self.checkedNodesChanged.emit()

    def check(self, node: Any) -> None:
        self._set(node, Qt.CheckState.Checked)

    def uncheck(self, node: Any) -> None:
        self._set(node, Qt.CheckState.Unchecked)

    def _in(self, state: Qt.CheckState) -> list[Any]:
        found = [
            self._combo.itemData(index)
            for index in range(self._combo.count())
            if self._combo.itemData(index, Qt.ItemDataRole.CheckStateRole) == state.value
        ]
        nodes = [self._scene.GetNodeByID(identifier) for identifier in found] if self._scene else []
        return [node for node in nodes if node is not None]

    def checkedNodes(self) -> list[Any]:
        return self._in(Qt.CheckState.Checked)

    def uncheckedNodes(self) -> list[Any]:
        return self._in(Qt.CheckState.Unchecked)

    def allChecked(self) -> bool:
        return not self.uncheckedNodes()

    def noneChecked(self) -> bool:
        return not self.checkedNodes()
