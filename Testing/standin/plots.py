"""Pictures of Slicer's plots: a vtkMRMLPlotChartNode drawn with VTK's charts off screen."""

from typing import Any

import vtk
from PySide6.QtGui import QImage
from vtk.util.numpy_support import vtk_to_numpy


def draw(chart: Any, width: int, height: int) -> QImage:
    """The chart with its series, titles and legend."""
    drawn = vtk.vtkChartXY()
    drawn.SetTitle(chart.GetTitle() or "")
    drawn.SetShowLegend(chart.GetLegendVisibility())
    for index, title in ((0, chart.GetYAxisTitle()), (1, chart.GetXAxisTitle())):
        axis = drawn.GetAxis(index)
        axis.SetTitle(title or "")
        axis.SetGridVisible(chart.GetGridVisibility())
        axis.GetGridPen().SetColor(225, 225, 225, 255)
    for index in range(chart.GetNumberOfPlotSeriesNodes()):
        _add(drawn, chart.GetNthPlotSeriesNode(index))
    for index, (given, limits) in (
        (1, (chart.GetXAxisRangeAuto(), chart.GetXAxisRange())),
        (0, (chart.GetYAxisRangeAuto(), chart.GetYAxisRange())),
    ):
        if not given:
            drawn.GetAxis(index).SetBehavior(vtk.vtkAxis.FIXED)
            drawn.GetAxis(index).SetRange(*limits)
    view = vtk.vtkContextView()
    view.GetScene().AddItem(drawn)
    view.GetRenderer().SetBackground(1, 1, 1)
    window = view.GetRenderWindow()
    window.SetOffScreenRendering(1)
    window.SetMultiSamples(4)
    window.SetSize(width, height)
    window.Render()
    pixels = vtk.vtkUnsignedCharArray()
    window.GetRGBACharPixelData(0, 0, width - 1, height - 1, 0, pixels)
    rows = vtk_to_numpy(pixels).reshape(height, width, 4)[::-1].copy()
    rows[..., 3] = 255
    return QImage(rows.data, width, height, width * 4, QImage.Format.Format_RGBA8888).copy()


def _add(drawn: Any, series: Any) -> None:
    node = series.GetTableNode()
    if node is None or node.GetTable().GetColumnByName(series.GetYColumnName()) is None:
        return
    table = vtk.vtkTable()
    table.ShallowCopy(node.GetTable())
    bar = series.GetPlotType() == series.PlotTypeBar
    points = series.GetPlotType() == series.PlotTypeScatter
    plot = drawn.AddPlot(vtk.vtkChart.BAR if bar else vtk.vtkChart.LINE)
    if series.GetXColumnName():
        plot.SetInputData(table, series.GetXColumnName(), series.GetYColumnName())
    else:
        plot.SetInputData(table, "", series.GetYColumnName())
        plot.SetUseIndexForXSeries(True)
    plot.SetLabel(series.GetName())
    color = [round(255 * part) for part in series.GetColor()]
    plot.SetColor(*color, round(255 * series.GetOpacity()))
    plot.SetWidth(series.GetLineWidth())
    if not bar:
        hidden = points and series.GetLineStyle() == series.LineStyleNone
        plot.GetPen().SetLineType(0 if hidden else max(series.GetLineStyle(), 1))
        plot.SetMarkerStyle(series.GetMarkerStyle())
        plot.SetMarkerSize(series.GetMarkerSize())
