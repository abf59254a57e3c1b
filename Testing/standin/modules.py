"""Stand-ins for Slicer's modules and their panels."""

import importlib.util
import pathlib
import sys
from typing import Any

import slicer
from PySide6.QtCore import QObject
from PySide6.QtWidgets import QVBoxLayout

from .declared import Declared
from .qmrml import qSlicerWidget
from .values import wrap


class qSlicerAbstractCoreModule(QObject, metaclass=Declared):
    """A module of the application."""

    def __init__(self, name: str, logic: Any = None) -> None:
        super().__init__()
        self.__dict__.update(_name=name, _title=name, _logic=logic)

    def logic(self) -> Any:
        return self._logic

    def mrmlScene(self) -> Any:
        return slicer.mrmlScene

    def setMRMLScene(self, scene: Any) -> None:
        if self._logic is not None:
            self._logic.SetMRMLScene(scene)

    def widgetRepresentation(self) -> Any:
        return None


class qSlicerAbstractModule(qSlicerAbstractCoreModule, metaclass=Declared):
    """A module with an icon."""


class qSlicerLoadableModule(qSlicerAbstractModule, metaclass=Declared):
    """A module from a file."""


class qSlicerScriptedLoadableModule(qSlicerLoadableModule, metaclass=Declared):
    """A module written in Python."""

    def __init__(self, name: str, path: pathlib.Path) -> None:
        super().__init__(name)
        self._path = str(path)
        self._panel: Any = None
        if str(path.parent) not in sys.path:
            sys.path.insert(0, str(path.parent))
        if name not in sys.modules:
            spec = importlib.util.spec_from_file_location(name, path)
            if spec is None or spec.loader is None:
                raise ImportError(f"no module at {path}")
            sys.modules[name] = importlib.util.module_from_spec(spec)
            try:
                spec.loader.exec_module(sys.modules[name])
            except BaseException:
                del sys.modules[name]
                raise
        self.instance = getattr(sys.modules[name], name)(wrap(self))

    def widgetRepresentation(self) -> Any:
        if self._panel is None:
            self._panel = qSlicerScriptedLoadableModuleWidget(self._name)
            self._panel.reload()
        return self._panel


class qSlicerAbstractModuleWidget(qSlicerWidget, metaclass=Declared):
    """The panel of a module."""

    def enter(self) -> None:
        self._isEntered = True

    def exit(self) -> None:
        self._isEntered = False


class qSlicerScriptedLoadableModuleWidget(qSlicerAbstractModuleWidget, metaclass=Declared):
    """The panel of a module written in Python."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.__dict__["_moduleName"] = name
        self.setObjectName(f"{name}ModuleWidget")
        QVBoxLayout(self)
        self._python: Any = None

    def reload(self) -> None:
        name = self._moduleName
        self._python = getattr(sys.modules[name], f"{name}Widget")(wrap(self))
        setattr(slicer.modules, f"{name}Widget", self._python)
        self.setMRMLScene(slicer.mrmlScene)
        self._python.setup()
        if self.isEntered:
            self.enter()

    def self(self) -> Any:
        return self._python

    def enter(self) -> None:
        super().enter()
        if hasattr(self._python, "enter"):
            self._python.enter()

    def exit(self) -> None:
        super().exit()
        if hasattr(self._python, "exit"):
            self._python.exit()


class qSlicerModuleManager(QObject, metaclass=Declared):
    """All modules by name."""

    def __init__(self) -> None:
        super().__init__()
        self.modules: dict[str, qSlicerAbstractCoreModule] = {}

    def add(self, module: qSlicerAbstractCoreModule) -> None:
        """Make a module known under its name, and as slicer.modules.<name in lower case>."""
        self.modules[module._name] = module
        setattr(slicer.modules, module._name.lower(), wrap(module))
        setattr(slicer.moduleNames, module._name, module._name)
        if isinstance(module, qSlicerScriptedLoadableModule):
            setattr(slicer.modules, f"{module._name}Instance", module.instance)
        self.moduleLoaded.emit(module._name)

    def module(self, name: str) -> Any:
        return self.modules.get(name)

    def modulesNames(self) -> list[str]:
        return sorted(self.modules)

    def factoryManager(self) -> Any:
        return self._factory

    @property
    def _factory(self) -> Any:
        if "_made" not in self.__dict__:
            self._made = qSlicerModuleFactoryManager(self)
        return self._made


class qSlicerAbstractModuleFactoryManager(QObject, metaclass=Declared):
    """What knows which modules there are."""

    def __init__(self, manager: qSlicerModuleManager) -> None:
        super().__init__()
        self._manager = manager

    def isRegistered(self, name: str) -> bool:
        return name in self._manager.modules

    def registeredModuleNames(self) -> list[str]:
        return sorted(self._manager.modules)


class qSlicerModuleFactoryManager(qSlicerAbstractModuleFactoryManager, metaclass=Declared):
    """What knows which modules are loaded."""

    def loadedModuleNames(self) -> list[str]:
        return sorted(self._manager.modules)

    def isLoaded(self, name: str) -> bool:
        return name in self._manager.modules
