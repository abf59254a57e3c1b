"""Stand-in for slicer.app and its layout manager."""

import pathlib
from typing import Any

from PySide6.QtCore import QObject, QSettings
from PySide6.QtWidgets import QApplication

from . import files
from .declared import Declared
from .modules import qSlicerModuleManager
from .qmrml import qMRMLWidget
from .scene import Scene


class qSlicerCoreApplication(QApplication, metaclass=Declared):
    """The application without a window."""

    def __init__(self, folder: pathlib.Path) -> None:
        super().__init__(["Slicer"])
        self.setApplicationName("Slicer")
        self.setApplicationVersion("5.12.0")
        self.setOrganizationName("Slicer")
        for name in ("home", "share", "cache", "temporary"):
            (folder / name).mkdir(exist_ok=True)
        self.__dict__.update(
            _slicerHome=str(folder / "home"),
            _slicerSharePath="share/Slicer-5.12",
            _temporaryPath=str(folder / "temporary"),
            _cachePath=str(folder / "cache"),
            _defaultScenePath=str(folder),
            _startupWorkingPath=str(pathlib.Path.cwd()),
            _majorVersion=5,
            _minorVersion=12,
            _releaseType="Stable",
            _mainApplicationName="Slicer",
            _platform="linux-amd64",
            _os="linux",
            _arch="amd64",
            _documentationBaseUrl="https://slicer.readthedocs.io/en/5.12/",
        )
        self.content: Any = None
        self._modules = qSlicerModuleManager()
        self._io = files.qSlicerCoreIOManager()

    def setup(self) -> None:
        """Make the scene."""
        self.content = Scene(self._temporaryPath)

    def mrmlScene(self) -> Any:
        return self.content.mrml

    def applicationLogic(self) -> Any:
        return self.content.application

    def moduleLogic(self, name: str) -> Any:
        return self.content.logics.get(name)

    def moduleManager(self) -> Any:
        return self._modules

    def coreIOManager(self) -> Any:
        return self._io

    def settings(self) -> QSettings:
        return self.userSettings()

    def userSettings(self) -> QSettings:
        return QSettings()

    def revisionUserSettings(self) -> QSettings:
        return QSettings(QSettings.Format.IniFormat, QSettings.Scope.UserScope, "Slicer", "Slicer-revision")

    def testingEnabled(self) -> bool:
        return False

    def moduleDocumentationUrl(self, name: str) -> str:
        return f"{self._documentationBaseUrl}user_guide/modules/{name.lower()}.html"


class qSlicerApplication(qSlicerCoreApplication, metaclass=Declared):
    """The application with its layout."""

    def __init__(self, folder: pathlib.Path) -> None:
        super().__init__(folder)
        self._paused = 0
        self._layout: Any = None

    def layoutManager(self) -> Any:
        if self._layout is None:
            self._layout = qSlicerLayoutManager(self.content)
        return self._layout

    def ioManager(self) -> Any:
        return self._io

    def setRenderPaused(self, paused: bool) -> None:
        self._paused = max(0, self._paused + (1 if paused else -1))
        self.renderPaused.emit(self._paused > 0)

    def pauseRender(self) -> None:
        self.setRenderPaused(True)

    def resumeRender(self) -> None:
        self.setRenderPaused(False)


class ctkLayoutManager(QObject, metaclass=Declared):
    """What arranges views."""


class ctkLayoutFactory(ctkLayoutManager, metaclass=Declared):
    """What makes views."""


class qMRMLLayoutManager(ctkLayoutFactory, metaclass=Declared):
    """The slice and 3-D views, by name."""

    def __init__(self, content: Scene) -> None:
        super().__init__()
        self._content = content
        self._slices = {name: qMRMLSliceWidget(name, content) for name in content.slices}
        self._threeD = qMRMLThreeDWidget(content)

    def mrmlScene(self) -> Any:
        return self._content.mrml

    def sliceViewNames(self) -> list[str]:
        return list(self._slices)

    def sliceWidget(self, name: str) -> Any:
        return self._slices.get(name)

    def threeDWidget(self, which: int | str) -> Any:
        return self._threeD if which in (0, "1") else None

    def mrmlSliceLogics(self) -> Any:
        return self._content.application.GetSliceLogics()

    def mrmlViewLogics(self) -> Any:
        return self._content.application.GetViewLogics()

    def layoutLogic(self) -> Any:
        return self._content.layout

    def _read_threeDViewCount(self) -> int:
        return 1

    def _read_layout(self) -> int:
        return self._content.layout.GetLayoutNode().GetViewArrangement()

    def _write_layout(self, layout: int) -> None:
        self.setLayout(layout)

    def setLayout(self, layout: int) -> None:
        if layout != self._read_layout():
            self._content.layout.GetLayoutNode().SetViewArrangement(layout)
            self.layoutChanged.emit(layout)

    def resetSliceViews(self) -> None:
        for logic in self._content.slices.values():
            logic.FitSliceToBackground()
            logic.SnapSliceOffsetToIJK()

    def resetThreeDViews(self) -> None:
        self._threeD.threeDView().resetFocalPoint()


class qSlicerLayoutManager(qMRMLLayoutManager, metaclass=Declared):
    """Slicer's layout manager."""


class qMRMLAbstractViewWidget(qMRMLWidget, metaclass=Declared):
    """A view with its controller."""


class qMRMLSliceWidget(qMRMLAbstractViewWidget, metaclass=Declared):
    """A slice view with its controller."""

    def __init__(self, name: str, content: Scene) -> None:
        super().__init__()
        self._name, self._content, self._view = name, content, None

    def sliceLogic(self) -> Any:
        return self._content.slices[self._name]

    def logic(self) -> Any:
        return self.sliceLogic()

    def mrmlSliceNode(self) -> Any:
        return self.sliceLogic().GetSliceNode()

    def mrmlSliceCompositeNode(self) -> Any:
        return self.sliceLogic().GetSliceCompositeNode()

    def _read_sliceOrientation(self) -> str:
        return self.mrmlSliceNode().GetOrientation()

    def _write_sliceOrientation(self, orientation: str) -> None:
        self.mrmlSliceNode().SetOrientation(orientation)

    def setSliceOrientation(self, orientation: str) -> None:
        self._write_sliceOrientation(orientation)

    def fitSliceToBackground(self) -> None:
        self.sliceLogic().FitSliceToBackground()

    def sliceView(self) -> Any:
        from .views import qMRMLSliceView

        if self._view is None:
            self._view = qMRMLSliceView(self._name, self._content)
        return self._view

    def sliceController(self) -> Any:
        return _controller(self)


class qMRMLThreeDWidget(qMRMLAbstractViewWidget, metaclass=Declared):
    """The 3-D view with its controller."""

    def __init__(self, content: Scene) -> None:
        super().__init__()
        self._content, self._view = content, None

    def mrmlViewNode(self) -> Any:
        return self._content.viewNode

    def viewLogic(self) -> Any:
        return self._content.view

    def threeDView(self) -> Any:
        from .views import qMRMLThreeDView

        if self._view is None:
            self._view = qMRMLThreeDView(self._content)
        return self._view


class qMRMLViewControllerBar(qMRMLWidget, metaclass=Declared):
    """The bar above a view."""


class qMRMLSliceControllerWidget(qMRMLViewControllerBar, metaclass=Declared):
    """The bar above a slice view."""

    def __init__(self, owner: qMRMLSliceWidget) -> None:
        super().__init__()
        self._owner = owner

    def sliceLogic(self) -> Any:
        return self._owner.sliceLogic()

    def mrmlSliceNode(self) -> Any:
        return self._owner.mrmlSliceNode()

    def mrmlSliceCompositeNode(self) -> Any:
        return self._owner.mrmlSliceCompositeNode()

    def fitSliceToBackground(self) -> None:
        self._owner.fitSliceToBackground()

    def setSliceOffsetValue(self, offset: float) -> None:
        self._owner.sliceLogic().SetSliceOffset(offset)

    def setSliceLink(self, linked: bool) -> None:
        for logic in self._owner._content.slices.values():
            logic.GetSliceCompositeNode().SetLinkedControl(linked)

    def setHotLinked(self, linked: bool) -> None:
        for logic in self._owner._content.slices.values():
            logic.GetSliceCompositeNode().SetHotLinkedControl(linked)

    def setForegroundOpacity(self, opacity: float) -> None:
        self._owner.mrmlSliceCompositeNode().SetForegroundOpacity(opacity)

    def setSliceVisible(self, visible: bool) -> None:
        self._owner.mrmlSliceNode().SetSliceVisible(visible)


def _controller(owner: qMRMLSliceWidget) -> qMRMLSliceControllerWidget:
    if "_bar" not in owner.__dict__:
        owner._bar = qMRMLSliceControllerWidget(owner)
    return owner._bar
