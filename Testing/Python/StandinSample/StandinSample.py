"""A small module as Slicer's template makes them, to try the stand-in on."""

import enum
import pathlib
from typing import Annotated, Any

import slicer
import vtk
from slicer import vtkMRMLMarkupsROINode, vtkMRMLScalarVolumeNode
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.parameterNodeWrapper import Choice, Default, Minimum, WithinRange, parameterNodeWrapper
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin


class Method(enum.Enum):
    FAST = 1
    THOROUGH = 2

    def label(self) -> str:
        return self.name.capitalize()


class StandinSample(ScriptedLoadableModule):
    def __init__(self, parent: Any) -> None:
        super().__init__(parent)
        self.parent.title = _("Stand-in sample")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Registration")]
        self.parent.dependencies = []
        self.parent.contributors = ["MR2USPro"]
        self.parent.helpText = _("A sample.")
        self.parent.acknowledgementText = _("None.")
        self.started = 0
        slicer.app.connect("startupCompleted()", self.onStartup)

    def onStartup(self) -> None:
        self.started += 1


@parameterNodeWrapper
class StandinSampleParameterNode:
    inputVolume: vtkMRMLScalarVolumeNode
    region: vtkMRMLMarkupsROINode
    threshold: Annotated[float, WithinRange(-100, 200), Default(20.0)]
    repeats: Annotated[int, Minimum(1), Default(3)]
    invert: bool = False
    method: Method = Method.THOROUGH
    preset: Annotated[str, Choice(["small", "large"]), Default("large")]
    note: str
    folder: pathlib.Path
    names: list[str]
    weights: dict[str, float]


class StandinSampleWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    def __init__(self, parent: Any = None) -> None:
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic: Any = None
        self._parameterNode: Any = None
        self._tag: Any = None
        self.isEntered = False

    def setup(self) -> None:
        super().setup()
        uiWidget = slicer.util.loadUI(self.resourcePath("UI/StandinSample.ui"))
        self.layout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)
        self.logic = StandinSampleLogic()
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self.onSceneEndClose)
        self.ui.applyButton.connect("clicked(bool)", self.onApplyButton)
        self.ui.progressBar.visible = False
        self.initializeParameterNode()

    def cleanup(self) -> None:
        self.removeObservers()

    def enter(self) -> None:
        self.isEntered = True
        self.initializeParameterNode()

    def exit(self) -> None:
        self.isEntered = False
        if self._parameterNode:
            self._parameterNode.disconnectGui(self._tag)
            self._parameterNode = self._tag = None

    def onSceneStartClose(self, caller: Any, event: Any) -> None:
        self.setParameterNode(None)

    def onSceneEndClose(self, caller: Any, event: Any) -> None:
        if self.isEntered:
            self.initializeParameterNode()

    def initializeParameterNode(self) -> None:
        self.setParameterNode(self.logic.getParameterNode())

    def setParameterNode(self, node: Any) -> None:
        if self._parameterNode and self._tag is not None:
            self._parameterNode.disconnectGui(self._tag)
            self.removeObserver(self._parameterNode, vtk.vtkCommand.ModifiedEvent, self._checkCanApply)
        self._parameterNode, self._tag = node, None
        if node:
            self._tag = node.connectGui(self.ui)
            self.addObserver(node, vtk.vtkCommand.ModifiedEvent, self._checkCanApply)
            self._checkCanApply()

    def _checkCanApply(self, caller: Any = None, event: Any = None) -> None:
        self.ui.applyButton.enabled = bool(self._parameterNode and self._parameterNode.inputVolume)

    def onApplyButton(self) -> None:
        with slicer.util.tryWithErrorDisplay(_("Failed to compute results."), waitCursor=True):
            self.logic.process(self._parameterNode.inputVolume, self._parameterNode.threshold)
            self.ui.progressBar.visible = True
            self.ui.progressBar.value = 100
            slicer.util.infoDisplay(_("Done in {time} s").format(time=0))


class StandinSampleLogic(ScriptedLoadableModuleLogic):
    def getParameterNode(self) -> StandinSampleParameterNode:
        return StandinSampleParameterNode(super().getParameterNode())

    def process(self, volume: Any, threshold: float) -> None:
        if volume.GetImageData() is None:
            raise ValueError("The volume is empty")
