"""Stand-ins for the simple widgets of Slicer that know the MRML scene."""

from typing import Any

from PySide6.QtWidgets import QWidget

from .ctk import ctkCollapsibleButton
from .ctkSliders import ctkDoubleSpinBox, ctkRangeWidget, ctkSliderWidget
from .declared import Declared


class _OfScene:
    """What is told the scene, and tells others."""

    def setMRMLScene(self: Any, scene: Any) -> None:
        if scene is self.__dict__.get("_scene"):
            return
        self._scene = scene
        signal = getattr(self, "mrmlSceneChanged", None)
        if signal is not None:
            signal.emit(scene)

    def mrmlScene(self: Any) -> Any:
        return self.__dict__.get("_scene")


def sceneMethods(namespace: dict[str, Any]) -> None:
    """Give a class body setMRMLScene and mrmlScene."""
    namespace.update(setMRMLScene=_OfScene.setMRMLScene, mrmlScene=_OfScene.mrmlScene)


class qMRMLWidget(QWidget, metaclass=Declared):
    """The root of a module's panel."""

    sceneMethods(locals())


class qSlicerWidget(QWidget, metaclass=Declared):
    """The base of widgets that modules bring."""

    sceneMethods(locals())


class qMRMLCollapsibleButton(ctkCollapsibleButton, metaclass=Declared):
    """A foldable section that passes the scene on."""

    sceneMethods(locals())


class qMRMLSliderWidget(ctkSliderWidget, metaclass=Declared):
    """A slider that may take its unit from the scene."""

    _constants = {"Prefix": 1, "Suffix": 2, "Precision": 4, "MinimumValue": 8, "MaximumValue": 16}
    sceneMethods(locals())

    def setQuantity(self, quantity: str) -> None:
        self.quantity = quantity

    def _on_quantity(self, quantity: str) -> None:
        self.suffix = " mm" if quantity == "length" else self.suffix


class qMRMLSpinBox(ctkDoubleSpinBox, metaclass=Declared):
    """A spin box that may take its unit from the scene."""

    sceneMethods(locals())

    def setQuantity(self, quantity: str) -> None:
        self.quantity = quantity

    def _on_quantity(self, quantity: str) -> None:
        self.suffix = " mm" if quantity == "length" else self.suffix


class qMRMLRangeWidget(ctkRangeWidget, metaclass=Declared):
    """A range that may take its unit from the scene."""

    def setMRMLScene(self, scene: Any) -> None:
        self.mrmlScene = scene

    def setQuantity(self, quantity: str) -> None:
        self.quantity = quantity
