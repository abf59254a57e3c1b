"""Slice and 3-D views that draw the scene off screen, through Slicer's real displayable managers."""

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from typing import Any

import slicer
import vtk
from PySide6.QtCore import QRect, Qt
from PySide6.QtGui import QColor, QFont, QImage, QPainter
from PySide6.QtWidgets import QWidget
from vtk.util.numpy_support import vtk_to_numpy

from . import plots
from .declared import Declared
from .scene import Scene

SLICE_MANAGERS = (
    "vtkMRMLVolumeGlyphSliceDisplayableManager",
    "vtkMRMLModelSliceDisplayableManager",
    "vtkMRMLCrosshairDisplayableManager",
    "vtkMRMLOrientationMarkerDisplayableManager",
    "vtkMRMLRulerDisplayableManager",
    "vtkMRMLSegmentationsDisplayableManager2D",
    "vtkMRMLMarkupsDisplayableManager",
    "vtkMRMLTransformsDisplayableManager2D",
    "vtkMRMLLinearTransformsDisplayableManager",
    "vtkMRMLColorLegendDisplayableManager",
)
VIEW_MANAGERS = (
    "vtkMRMLCameraDisplayableManager",
    "vtkMRMLViewDisplayableManager",
    "vtkMRMLModelDisplayableManager",
    "vtkMRMLThreeDReformatDisplayableManager",
    "vtkMRMLCrosshairDisplayableManager3D",
    "vtkMRMLOrientationMarkerDisplayableManager",
    "vtkMRMLRulerDisplayableManager",
    "vtkMRMLSegmentationsDisplayableManager3D",
    "vtkMRMLMarkupsDisplayableManager",
    "vtkMRMLTransformsDisplayableManager3D",
    "vtkMRMLLinearTransformsDisplayableManager",
    "vtkMRMLVolumeRenderingDisplayableManager",
    "vtkMRMLColorLegendDisplayableManager",
)
COLORS = {"Red": "#f34a4a", "Yellow": "#edd54c", "Green": "#6eb04b", "1": "#7483d6"}


class ctkVTKAbstractView(QWidget, metaclass=Declared):
    """A render window that is never shown."""

    def __init__(self, factory: Any, managers: tuple[str, ...], content: Scene) -> None:
        super().__init__()
        self._content = content
        self._renderer = vtk.vtkRenderer()
        self._window = vtk.vtkRenderWindow()
        self._window.SetOffScreenRendering(1)
        self._window.SetMultiSamples(0)
        self._window.AddRenderer(self._renderer)
        self._interactor = vtk.vtkRenderWindowInteractor()
        self._interactor.SetRenderWindow(self._window)
        self._interactor.SetInteractorStyle(vtk.vtkInteractorStyleUser())
        for name in managers:
            if not factory.IsDisplayableManagerRegistered(name):
                factory.RegisterDisplayableManager(name)
        self._managers = slicer.vtkMRMLDisplayableManagerGroup()
        self._managers.SetRenderer(self._renderer)
        self._managers.Initialize(factory, self._renderer)

    def renderWindow(self) -> Any:
        return self._window

    def interactor(self) -> Any:
        return self._interactor

    def forceRender(self) -> None:
        self._window.Render()

    def scheduleRender(self) -> None:
        """Nothing shows on a screen; a picture renders when it is taken."""

    def image(self, width: int, height: int) -> QImage:
        """What the view shows now, in this size."""
        self._fit(width, height)
        self._window.Render()
        pixels = vtk.vtkUnsignedCharArray()
        self._window.GetRGBACharPixelData(0, 0, width - 1, height - 1, 0, pixels)
        rows = vtk_to_numpy(pixels).reshape(height, width, 4)[::-1].copy()
        rows[..., 3] = 255
        return QImage(rows.data, width, height, width * 4, QImage.Format.Format_RGBA8888).copy()

    def _fit(self, width: int, height: int) -> None:
        self._window.SetSize(width, height)
        self._interactor.UpdateSize(width, height)


class ctkVTKSliceView(ctkVTKAbstractView, metaclass=Declared):
    """A view of a slice."""


class qMRMLSliceView(ctkVTKSliceView, metaclass=Declared):
    """A slice view of the scene."""

    def __init__(self, name: str, content: Scene) -> None:
        factory = slicer.vtkMRMLSliceViewDisplayableManagerFactory.GetInstance()
        super().__init__(factory, SLICE_MANAGERS, content)
        self._name, self._logic = name, content.slices[name]
        self._renderer.GetActiveCamera().ParallelProjectionOn()
        overlay = vtk.vtkRenderer()
        overlay.GetActiveCamera().ParallelProjectionOn()
        overlay.SetLayer(1)
        self._window.SetNumberOfLayers(2)
        self._window.AddRenderer(overlay)
        mapper = vtk.vtkImageMapper()
        mapper.SetColorWindow(255)
        mapper.SetColorLevel(127.5)
        self._picture = vtk.vtkActor2D()
        self._picture.SetMapper(mapper)
        self._picture.GetProperty().SetDisplayLocationToBackground()
        self._renderer.AddViewProp(self._picture)
        self._managers.SetMRMLDisplayableNode(self._logic.GetSliceNode())
        self._fit(400, 400)

    def mrmlSliceNode(self) -> Any:
        return self._logic.GetSliceNode()

    def _fit(self, width: int, height: int) -> None:
        super()._fit(width, height)
        self._logic.ResizeSliceNode(width, height)

    def image(self, width: int, height: int) -> QImage:
        """The slice with the bar that Slicer puts above it."""
        self._fit(width, height - BAR)
        source = self._logic.GetImageDataConnection()
        self._picture.SetVisibility(source is not None)
        if source is not None:
            self._picture.GetMapper().SetInputConnection(source)
        low, high = _range(self._logic)
        offset = self._logic.GetSliceOffset()
        letter = {"Red": "R", "Yellow": "Y", "Green": "G"}[self._name]
        text = f"{_towards(self.mrmlSliceNode(), offset)}: {abs(offset):.2f} mm"
        return _barred(super().image(width, height - BAR), letter, COLORS[self._name], text, (offset, low, high))


class ctkVTKRenderView(ctkVTKAbstractView, metaclass=Declared):
    """A view in three dimensions."""

    def resetFocalPoint(self) -> None:
        node = self._content.viewNode
        shown = node.GetBoxVisible(), node.GetAxisLabelsVisible()
        node.SetBoxVisible(False)
        node.SetAxisLabelsVisible(False)
        self._renderer.ResetCamera()
        node.SetBoxVisible(shown[0])
        node.SetAxisLabelsVisible(shown[1])


class qMRMLThreeDView(ctkVTKRenderView, metaclass=Declared):
    """A 3-D view of the scene."""

    def __init__(self, content: Scene) -> None:
        factory = slicer.vtkMRMLThreeDViewDisplayableManagerFactory.GetInstance()
        super().__init__(factory, VIEW_MANAGERS, content)
        self._renderer.GradientBackgroundOn()
        self._renderer.SetBackground(0.757, 0.765, 0.910)
        self._renderer.SetBackground2(0.455, 0.471, 0.745)
        self._managers.SetMRMLDisplayableNode(content.viewNode)
        self.resetFocalPoint()

    def mrmlViewNode(self) -> Any:
        return self._content.viewNode

    def image(self, width: int, height: int) -> QImage:
        """The view with the bar that Slicer puts above it."""
        return _barred(super().image(width, height - BAR), "1", COLORS["1"], "", None)


BAR = 22


def _towards(node: Any, offset: float) -> str:
    """Letter of the side of the patient on which a slice lies."""
    normal = [node.GetSliceToRAS().GetElement(row, 2) for row in range(3)]
    axis = max(range(3), key=lambda row: abs(normal[row]))
    return ("RL", "AP", "SI")[axis][(offset < 0) != (normal[axis] < 0)]


def _range(logic: Any) -> tuple[float, float]:
    bounds, resolution = [0.0, -1.0], vtk.reference(1.0)
    return tuple(bounds) if logic.GetSliceOffsetRangeResolution(bounds, resolution) else (0.0, 0.0)


def _barred(view: QImage, letter: str, color: str, text: str, place: tuple[float, float, float] | None) -> QImage:
    """A view below its bar: letter, slider with its place, position."""
    image = QImage(view.width(), view.height() + BAR, QImage.Format.Format_RGB32)
    painter = QPainter(image)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.drawImage(0, BAR, view)
    bar = QRect(0, 0, view.width(), BAR)
    painter.fillRect(bar, QColor(color))
    painter.setFont(QFont("DejaVu Sans", 8, QFont.Weight.Bold))
    painter.setPen(QColor("#1c1c1c"))
    painter.drawText(bar.adjusted(8, 0, 0, 0), Qt.AlignmentFlag.AlignVCenter, letter)
    painter.setFont(QFont("DejaVu Sans", 8))
    painter.drawText(bar.adjusted(0, 0, -8, 0), Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight, text)
    if place is not None:
        offset, low, high = place
        left, right = 30, view.width() - 100
        painter.setPen(QColor(0, 0, 0, 90))
        painter.setBrush(QColor(255, 255, 255, 150))
        painter.drawRoundedRect(left, BAR // 2 - 2, right - left, 4, 2, 2)
        share = (offset - low) / (high - low) if high > low else 0.5
        painter.setBrush(QColor("#f4f4f4"))
        painter.drawRoundedRect(round(left + min(max(share, 0), 1) * (right - left)) - 5, BAR // 2 - 6, 10, 12, 3, 3)
    painter.end()
    return image


def arranged(layout: Any, width: int, height: int) -> QImage:
    """All views as Slicer's present layout shows them."""
    image = QImage(width, height, QImage.Format.Format_RGB32)
    image.fill(QColor("#f4f4f4"))
    painter = QPainter(image)
    description = layout.layoutLogic().GetLayoutNode().GetCurrentLayoutDescription()
    for view, place in _places(ET.fromstring(description), QRect(0, 0, width, height)):
        painter.drawImage(place.topLeft(), _drawn(layout, view, place.width(), place.height()))
    painter.end()
    return image


def _places(layout: ET.Element, room: QRect) -> Iterator[tuple[ET.Element, QRect]]:
    """Each view in a layout with its part of the room."""
    items = layout.findall("item")
    shares = [float(item.get("splitSize", 0)) or 1.0 for item in items]
    if layout.get("type") == "tab":
        items, shares = items[:1], [1.0]
    at, total, across = 0.0, sum(shares), layout.get("type") == "horizontal"
    length = room.width() if across else room.height()
    for item, share in zip(items, shares, strict=True):
        start, end = round(at / total * length), round((at + share) / total * length) - 2 * (at + share < total)
        at += share
        part = QRect(room.x() + start, room.y(), end - start, room.height())
        if not across:
            part = QRect(room.x(), room.y() + start, room.width(), end - start)
        child = item[0]
        if child.tag == "view":
            yield child, part
        else:
            yield from _places(child, part)


def _drawn(layout: Any, view: ET.Element, width: int, height: int) -> QImage:
    """One view; one of a kind that is not drawn stays empty."""
    kind, tag = view.get("class"), view.get("singletontag", "")
    if kind == "vtkMRMLSliceNode" and (widget := layout.sliceWidget(tag)):
        return widget.sliceView().image(width, height)
    if kind == "vtkMRMLViewNode" and tag == "1":
        return layout.threeDWidget(0).threeDView().image(width, height)
    if kind == "vtkMRMLPlotViewNode":
        node = layout.mrmlScene().GetSingletonNode(tag, kind)
        chart = node.GetPlotChartNode() if node is not None else None
        if chart is not None:
            return _barred(plots.draw(chart, width, height - BAR), "P", "#e1e1e1", chart.GetName(), None)
    empty = QImage(width, height, QImage.Format.Format_RGB32)
    empty.fill(QColor("#d8d8d8"))
    return empty
