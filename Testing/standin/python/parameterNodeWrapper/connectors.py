"""Which widget shows which type, and how. As in Slicer the class of the widget has to match exactly."""

import enum
import pathlib
from collections.abc import Callable
from typing import Any

import ctk
import qt
import slicer

from .annotations import Choice, Decimals, Maximum, Minimum, RangeBounds, SingleStep, WithinRange, first, split
from .storage import FloatRange, Storage


class GuiConnector:
    """A widget with one value, whatever its class calls it."""

    def __init__(self, widget: Any, signal: str, read: Callable[[], Any], write: Callable[[Any], None]) -> None:
        self._widget, self._signal, self.read, self.write = widget, signal, read, write
        self._callback: Callable[[], None] | None = None

    def widget(self) -> Any:
        """The widget."""
        return self._widget

    def changed(self) -> None:
        """Pass the news on."""
        if self._callback:
            self._callback()

    def onChanged(self, callback: Callable[[], None] | None) -> None:
        """Call this at every change; None: no more."""
        self._callback = callback
        if self._signal:
            signal = getattr(self._widget, self._signal)
            signal.disconnect(self.changed) if callback is None else signal.connect(self.changed)


def _attribute(widget: Any, name: str, convert: Callable = lambda value: value) -> tuple[Callable, Callable]:
    return (lambda: convert(getattr(widget, name))), (lambda value: setattr(widget, name, value))


def _limits(widget: Any, annotations: tuple, slides: bool, unlimited: tuple[Any, Any]) -> None:
    within, low, high = (first(annotations, kind) for kind in (WithinRange, Minimum, Maximum))
    if slides and within is None and (low is None or high is None):
        raise RuntimeError(f"a {type(widget).__name__} needs a range: annotate with WithinRange")
    lowest, highest = within or low, within or high
    widget.minimum = lowest.minimum if lowest else unlimited[0]
    widget.maximum = highest.maximum if highest else unlimited[1]


def _number(widget: Any, kind: Any, annotations: tuple) -> GuiConnector:
    whole = type(widget) in (qt.QSpinBox, qt.QSlider)
    if not whole and type(widget) is not ctk.ctkDoubleSlider:
        decimals = Decimals(0) if kind is int else first(annotations, Decimals)
        if decimals:
            widget.decimals = decimals.value
    if step := first(annotations, SingleStep):
        widget.singleStep = step.value
    slides = type(widget) in (qt.QSlider, ctk.ctkSliderWidget, slicer.qMRMLSliderWidget)
    _limits(widget, annotations, slides, (-(2**31), 2**31 - 1) if whole else (float("-inf"), float("inf")))
    return GuiConnector(widget, "valueChanged", *_attribute(widget, "value", kind))


def _choice(widget: Any, labels: list[str], values: list[Any]) -> GuiConnector:
    widget.clear()
    for label in labels:
        widget.addItem(label)

    def write(value: Any) -> None:
        if value not in values:
            raise ValueError(f"{value!r} is none of {values}")
        widget.currentIndex = values.index(value)

    return GuiConnector(widget, "currentIndexChanged", lambda: values[widget.currentIndex], write)


def _range(widget: Any, annotations: tuple) -> GuiConnector:
    bounds = first(annotations, RangeBounds)
    if bounds is None:
        raise RuntimeError("a range widget needs RangeBounds")
    if (decimals := first(annotations, Decimals)) and type(widget) is not ctk.ctkDoubleRangeSlider:
        widget.decimals = decimals.value
    if step := first(annotations, SingleStep):
        widget.singleStep = step.value
    widget.setRange(bounds.minimum, bounds.maximum)
    return GuiConnector(
        widget,
        "valuesChanged",
        lambda: FloatRange(widget.minimumValue, widget.maximumValue),
        lambda value: widget.setValues(value.minimum, value.maximum),
    )


def _nodes(widget: Any, storage: Storage) -> GuiConnector:
    widget.nodeTypes = tuple(kind.__name__ for kind in storage.members)
    return GuiConnector(widget, "currentNodeChanged", widget.currentNode, widget.setCurrentNode)


def createGuiConnector(widget: Any, datatype: Any) -> GuiConnector:
    """Tie a widget to a type. Raises RuntimeError where the widget cannot show it."""
    kind, annotations = split(datatype)
    exact = type(widget)
    if kind is bool and exact in (qt.QCheckBox, ctk.ctkCheckBox):
        return GuiConnector(widget, "stateChanged", *_attribute(widget, "checked"))
    if kind is bool and exact in (qt.QPushButton, ctk.ctkCheckablePushButton):
        widget.checkable = True
        return GuiConnector(widget, "toggled", *_attribute(widget, "checked"))
    if kind is int and exact in (qt.QSlider, qt.QSpinBox):
        return _number(widget, int, annotations)
    if kind in (int, float) and exact in (
        qt.QDoubleSpinBox,
        ctk.ctkSliderWidget,
        ctk.ctkDoubleSlider,
        ctk.ctkDoubleSpinBox,
        slicer.qMRMLSliderWidget,
        slicer.qMRMLSpinBox,
    ):
        return _number(widget, kind, annotations)
    if exact in (qt.QComboBox, ctk.ctkComboBox):
        if isinstance(kind, type) and issubclass(kind, enum.Enum):
            label = getattr(kind, "label", lambda member: member.name)
            return _choice(widget, [label(member) for member in kind], list(kind))
        if choice := first(annotations, Choice):
            return _choice(widget, [str(value) for value in choice.choices], list(choice.choices))
    if kind is str and exact is qt.QLineEdit:
        return GuiConnector(widget, "textChanged", *_attribute(widget, "text"))
    if kind is str and exact is qt.QLabel:
        return GuiConnector(widget, "", *_attribute(widget, "text"))
    if kind is str and exact is qt.QTextEdit:
        return GuiConnector(widget, "textChanged", widget.toPlainText, widget.setPlainText)
    if kind is FloatRange and exact in (ctk.ctkRangeWidget, ctk.ctkDoubleRangeSlider, slicer.qMRMLRangeWidget):
        return _range(widget, annotations)
    if isinstance(kind, type) and issubclass(kind, pathlib.PurePath):
        if exact is ctk.ctkPathLineEdit:
            read, write = _attribute(widget, "currentPath", kind)
            return GuiConnector(widget, "currentPathChanged", read, lambda value: write(str(value)))
        if exact is ctk.ctkDirectoryButton:
            read, write = _attribute(widget, "directory", kind)
            return GuiConnector(widget, "directoryChanged", read, lambda value: write(str(value)))
    if exact is slicer.qMRMLNodeComboBox:
        storage = Storage(kind)
        if storage.node:
            return _nodes(widget, storage)
    raise RuntimeError(f"Unable to create GUI connector from datatype '{datatype}' to widget type '{exact.__name__}'")
