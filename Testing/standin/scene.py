"""The MRML scene with Slicer's real logics, as the application sets them up when it starts."""

from typing import Any

import slicer
import vtk

LOGICS = {
    "Cameras": "vtkSlicerCamerasModuleLogic",
    "Markups": "vtkSlicerMarkupsLogic",
    "Models": "vtkSlicerModelsLogic",
    "Plots": "vtkSlicerPlotsLogic",
    "Segmentations": "vtkSlicerSegmentationsModuleLogic",
    "Sequences": "vtkSlicerSequencesLogic",
    "SubjectHierarchy": "vtkSlicerSubjectHierarchyModuleLogic",
    "Tables": "vtkSlicerTablesLogic",
    "Texts": "vtkSlicerTextsLogic",
    "Transforms": "vtkSlicerTransformLogic",
    "Units": "vtkSlicerUnitsLogic",
    "ViewControllers": "vtkSlicerViewControllersLogic",
    "VolumeRendering": "vtkSlicerVolumeRenderingLogic",
    "Volumes": "vtkSlicerVolumesLogic",
}
SLICES = {"Red": "Axial", "Yellow": "Sagittal", "Green": "Coronal"}


class Scene:
    """The scene, its application logic, and the logics of Slicer's own modules by module name."""

    def __init__(self, folder: str) -> None:
        self.mrml = slicer.vtkMRMLScene()
        crosshair = slicer.vtkMRMLCrosshairNode()
        crosshair.SetCrosshairName("default")
        self.mrml.AddNode(crosshair)
        self.application = slicer.vtkSlicerApplicationLogic()
        self.application.SetTemporaryPath(folder)
        cache = slicer.vtkCacheManager()
        cache.SetRemoteCacheDirectory(folder)
        self.mrml.SetCacheManager(cache)
        manager = slicer.vtkDataIOManager()
        manager.SetCacheManager(cache)
        self.mrml.SetDataIOManager(manager)
        self.application.SetMRMLScene(self.mrml)
        self.mrml.RegisterNodeClass(slicer.vtkMRMLColorLegendDisplayNode())  # as the module Colors does
        colors = self.application.GetColorLogic()
        colors.SetMRMLScene(self.mrml)
        colors.AddDefaultColorNodes()
        self.application.SetSliceLogics(vtk.vtkCollection())
        self.application.SetViewLogics(vtk.vtkCollection())
        slicer.vtkMRMLThreeDViewDisplayableManagerFactory.GetInstance().SetMRMLApplicationLogic(self.application)
        slicer.vtkMRMLSliceViewDisplayableManagerFactory.GetInstance().SetMRMLApplicationLogic(self.application)
        self.logics: dict[str, Any] = {"Colors": colors}
        self.application.SetModuleLogic("Colors", colors)
        for name, kind in LOGICS.items():
            logic = getattr(slicer, kind)()
            logic.SetMRMLApplicationLogic(self.application)
            logic.SetMRMLScene(self.mrml)
            self.application.SetModuleLogic(name, logic)
            self.logics[name] = logic
        slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(self.mrml, True)
        self.slices = {name: self._slice(name, orientation) for name, orientation in SLICES.items()}
        self.view = slicer.vtkMRMLViewLogic()
        self.view.SetMRMLApplicationLogic(self.application)
        self.view.SetMRMLScene(self.mrml)
        self.viewNode = self.view.AddViewNode("1")
        self.application.GetViewLogics().AddItem(self.view)
        self.layout = slicer.vtkMRMLLayoutLogic()
        self.layout.SetMRMLScene(self.mrml)
        self.layout.GetLayoutNode().SetViewArrangement(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)

    def _slice(self, name: str, orientation: str) -> Any:
        logic = slicer.vtkMRMLSliceLogic()
        logic.SetMRMLApplicationLogic(self.application)
        logic.SetMRMLScene(self.mrml)
        node = logic.AddSliceNode(name)
        node.SetOrientation(orientation)
        self.application.GetSliceLogics().AddItem(logic)
        return logic
