"""Loading and saving: scenes as files or bundles, and nodes from files, through MRML's own storage nodes."""

import pathlib
from typing import Any

import slicer
import vtk
from PySide6.QtCore import QObject

from .declared import Declared

READERS = {
    "VolumeFile": ("vtkMRMLScalarVolumeNode", (".nrrd", ".nhdr", ".nii", ".nii.gz", ".mha", ".mhd")),
    "TransformFile": ("vtkMRMLTransformNode", (".h5", ".tfm", ".txt")),
    "MarkupsFile": ("", (".mrk.json", ".fcsv", ".json")),
    "SegmentationFile": ("vtkMRMLSegmentationNode", (".seg.nrrd",)),
    "SequenceFile": ("vtkMRMLSequenceNode", (".seq.nrrd", ".mrb.seq")),
    "ModelFile": ("vtkMRMLModelNode", (".vtk", ".vtp", ".stl", ".ply", ".obj")),
    "TableFile": ("vtkMRMLTableNode", (".csv", ".tsv")),
    "SceneFile": ("", (".mrml", ".mrb")),
}


def saveScene(scene: Any, path: pathlib.Path) -> bool:
    """Write the scene as .mrb, or as .mrml with the nodes' files next to it."""
    if path.suffix == ".mrb":
        return bool(scene.WriteToMRB(str(path), None))
    scene.SetURL(str(path))
    scene.SetRootDirectory(str(path.parent))
    for index in range(scene.GetNumberOfNodes()):
        node = scene.GetNthNode(index)
        if not node.IsA("vtkMRMLStorableNode") or not node.GetSaveWithScene() or node.GetHideFromEditors():
            continue
        if node.GetStorageNode() is None:
            node.AddDefaultStorageNode()
        storage = node.GetStorageNode()
        if storage is None:
            continue
        extension = storage.GetDefaultWriteFileExtension()
        storage.SetFileName(str(path.parent / f"{node.GetID()}.{extension}"))
        if not storage.WriteData(node):
            return False
    return bool(scene.Commit(str(path)))


def loadScene(scene: Any, path: pathlib.Path, clear: bool = True) -> bool:
    """Read a scene, instead of the present one or into it."""
    if path.suffix == ".mrb":
        return bool(scene.ReadFromMRB(str(path), clear))
    scene.SetURL(str(path))
    scene.SetRootDirectory(str(path.parent))
    return bool(scene.Connect() if clear else scene.Import())


class qSlicerCoreIOManager(QObject, metaclass=Declared):
    """What reads and writes files for slicer.util."""

    def fileType(self, path: str) -> str:
        name = str(path).lower()
        fitting = [(len(e), kind) for kind, (_, ends) in READERS.items() for e in ends if name.endswith(e)]
        return max(fitting)[1] if fitting else "NoFile"

    def fileWriterFileType(self, node: Any, _kind: str = "") -> str:
        return node.GetClassName()

    def loadNodes(self, kind: str, properties: dict, loaded: Any = None, messages: Any = None) -> bool:
        path = pathlib.Path(properties["fileName"])
        if kind == "SceneFile":
            return loadScene(slicer.mrmlScene, path, properties.get("clear", False))
        name = properties.get("name") or path.name.split(".")[0]
        if not path.is_file():
            if messages is not None:
                messages.AddMessage(vtk.vtkCommand.ErrorEvent, f"there is no file {path}")
            return False
        node = self._read(kind, path, name, properties)
        if node is not None and loaded is not None:
            loaded.AddItem(node)
        return node is not None

    def _read(self, kind: str, path: pathlib.Path, name: str, properties: dict) -> Any:
        logics = slicer.app.applicationLogic()
        if kind == "VolumeFile":
            options = 1 if properties.get("labelmap") else 0
            node = logics.GetModuleLogic("Volumes").AddArchetypeVolume(str(path), name, options)
            if node is not None and properties.get("labelmap"):
                node.GetDisplayNode().SetAndObserveColorNodeID("vtkMRMLColorTableNodeLabels")
            if node is not None and properties.get("show", True):
                selection = logics.GetSelectionNode()
                if properties.get("labelmap"):
                    selection.SetActiveLabelVolumeID(node.GetID())
                else:
                    selection.SetActiveVolumeID(node.GetID())
                logics.PropagateVolumeSelection(1)
            return node
        if kind == "MarkupsFile":
            identifier = logics.GetModuleLogic("Markups").LoadMarkups(str(path), name)
            return slicer.mrmlScene.GetNodeByID(identifier) if identifier else None
        if kind not in READERS:
            return None
        node = slicer.mrmlScene.AddNewNodeByClass(READERS[kind][0], name)
        node.AddDefaultStorageNode()
        node.GetStorageNode().SetFileName(str(path))
        if not node.GetStorageNode().ReadData(node):
            slicer.mrmlScene.RemoveNode(node)
            return None
        if hasattr(node, "CreateDefaultDisplayNodes"):
            node.CreateDefaultDisplayNodes()
        return node

    def saveNodes(self, kind: str, properties: dict, messages: Any = None) -> bool:
        path = pathlib.Path(properties["fileName"])
        if kind == "SceneFile":
            return saveScene(slicer.mrmlScene, path)
        node = slicer.mrmlScene.GetNodeByID(properties["nodeID"])
        if node.GetStorageNode() is None:
            node.AddDefaultStorageNode()
        node.GetStorageNode().SetFileName(str(path))
        if "useCompression" in properties:
            node.GetStorageNode().SetUseCompression(bool(properties["useCompression"]))
        return bool(node.GetStorageNode().WriteData(node))


class qSlicerIOManager(qSlicerCoreIOManager, metaclass=Declared):
    """The same with dialogs."""
