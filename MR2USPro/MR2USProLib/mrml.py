"""The crossing between the engine and a Slicer scene: volumes, transforms, markups, tables, sequences.

Nodes are in RAS, the engine is in LPS; every change between them happens here, and only this file of the engine may
import slicer. A function that makes a node takes the one to be overwritten as ``node``, so that running something again
replaces its result.
"""

from __future__ import annotations

import csv
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import slicer
import vtk
from numpy.typing import ArrayLike, NDArray
from vtk.util.numpy_support import numpy_to_vtk, vtk_to_numpy

from .errors import InputError
from .volume import Grid, Volume

if TYPE_CHECKING:
    import SimpleITK as sitk

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0])
Node = Any
"""A node of the scene."""


def _node(kind: str, name: str, node: Node | None) -> Node:
    """The given node where it is still in the scene, else a new one of that class."""
    if node is not None and slicer.mrmlScene.IsNodePresent(node):
        return node
    return slicer.mrmlScene.AddNewNodeByClass(kind, name)


def _matrix(values: ArrayLike) -> vtk.vtkMatrix4x4:
    matrix = vtk.vtkMatrix4x4()
    matrix.DeepCopy(np.asarray(values, dtype=float).ravel().tolist())
    return matrix


def _array(matrix: vtk.vtkMatrix4x4) -> NDArray[np.float64]:
    return np.array([[matrix.GetElement(row, column) for column in range(4)] for row in range(4)])


def _flipped(affine: NDArray[np.float64]) -> NDArray[np.float64]:
    """A 4x4 matrix between LPS worlds as one between RAS worlds; the way back is the same."""
    flip = np.diag([-1.0, -1.0, 1.0, 1.0])
    return flip @ affine @ flip


# Volumes


def grid_of(node: Node) -> Grid:
    """The grid of a volume node, from its own geometry; a transform above the node is not looked at."""
    ijk_to_ras = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(ijk_to_ras)
    ijk_to_lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ _array(ijk_to_ras)
    spacing = np.linalg.norm(ijk_to_lps[:3, :3], axis=0)
    i, j, k = node.GetImageData().GetDimensions()
    return Grid((k, j, i), tuple(spacing), tuple(ijk_to_lps[:3, 3]), ijk_to_lps[:3, :3] / spacing)


def volume_of(node: Node) -> Volume:
    """A copy of a scalar or vector volume node, LPS; a transform above the node is not applied.

    Raises:
        InputError: the node holds no image.
    """
    if node.GetImageData() is None or node.GetImageData().GetNumberOfPoints() < 1:
        raise InputError(f"The volume {node.GetName()} is empty: load its image again or choose another volume.")
    return Volume(np.array(slicer.util.arrayFromVolume(node)), grid_of(node))


def volume_node(volume: Volume, name: str, node: Node | None = None) -> Node:
    """A scalar volume node of a volume."""
    return _fill(_node("vtkMRMLScalarVolumeNode", name, node), volume)


def label_node(volume: Volume, name: str, node: Node | None = None) -> Node:
    """A label map node of a volume of whole numbers."""
    return _fill(_node("vtkMRMLLabelMapVolumeNode", name, node), volume)


def _fill(node: Node, volume: Volume) -> Node:
    array = volume.array.astype(np.uint8) if volume.array.dtype == np.bool_ else volume.array
    ijk_to_lps = np.eye(4)
    ijk_to_lps[:3, :3], ijk_to_lps[:3, 3] = volume.grid.index_to_mm, volume.grid.origin_mm
    # Geometry first: views that hear of the new image already find it at its place.
    node.SetIJKToRASMatrix(_matrix(np.diag([-1.0, -1.0, 1.0, 1.0]) @ ijk_to_lps))
    slicer.util.updateVolumeFromArray(node, np.ascontiguousarray(array))
    if node.GetDisplayNode() is None:
        node.CreateDefaultDisplayNodes()
    return node


def frames_of(sequence: Node) -> NDArray[Any]:
    """The pictures of a sequence node of 2-D images, (frame, row, column), or (frame, row, column, 3) in color.

    Raises:
        InputError: the sequence holds no pictures, or pictures of several sizes.
    """
    pictures = []
    for n in range(sequence.GetNumberOfDataNodes()):
        item = sequence.GetNthDataNode(n)
        if not item.IsA("vtkMRMLVolumeNode") or item.GetImageData() is None:
            raise InputError(f"The sequence {sequence.GetName()} holds no pictures: choose a loaded ultrasound clip.")
        pictures.append(np.array(slicer.util.arrayFromVolume(item))[0])
    if not pictures or len({picture.shape for picture in pictures}) > 1:
        raise InputError(
            f"The sequence {sequence.GetName()} holds no pictures of one size: choose a loaded ultrasound clip."
        )
    return np.stack(pictures)


# Transforms


def transform_of(node: Node) -> sitk.Transform:
    """A linear transform node that moves the moving image onto the fixed one, as fixed points to moving points, LPS mm.

    Raises:
        InputError: the transform is not linear.
    """
    import SimpleITK as sitk

    matrix = vtk.vtkMatrix4x4()
    if not node.IsLinear() or not node.GetMatrixTransformFromWorld(matrix):
        raise InputError(f"The transform {node.GetName()} is not linear: choose a linear one as the start.")
    affine = _flipped(_array(matrix))
    transform = sitk.AffineTransform(3)
    transform.SetMatrix(affine[:3, :3].ravel().tolist())
    transform.SetTranslation(affine[:3, 3].tolist())
    return transform


def linear_transform_node(fixed_to_moving: sitk.Transform, name: str, node: Node | None = None) -> Node:
    """A linear transform node under which the moving image lies on the fixed one.

    Args:
        fixed_to_moving: a linear transform, LPS mm.
        name: of a new node.
        node: to be overwritten.
    """
    zero = np.asarray(fixed_to_moving.TransformPoint((0.0, 0.0, 0.0)))
    affine = np.eye(4)
    affine[:3, 3] = zero
    for axis in range(3):
        unit = [0.0, 0.0, 0.0]
        unit[axis] = 1.0
        affine[:3, axis] = np.asarray(fixed_to_moving.TransformPoint(unit)) - zero
    node = _node("vtkMRMLLinearTransformNode", name, node)
    node.SetMatrixTransformToParent(_matrix(np.linalg.inv(_flipped(affine))))
    return node


def grid_transform_node(displacement: Volume, name: str, node: Node | None = None) -> Node:
    """A grid transform node under which the moving image lies on the fixed one.

    Its displacements (mm, RAS) are those from the parent: Slicer asks them for the point of the moving image that
    belongs at a point of the fixed one, exactly what a registration finds, and inverts them for points and models.

    Args:
        displacement: (k, j, i, 3) LPS mm on the fixed grid, fixed to moving.
        name: of a new node.
        node: to be overwritten.
    """
    node = _node("vtkMRMLGridTransformNode", name, node)
    grid = displacement.grid
    image = vtk.vtkImageData()
    image.SetDimensions(*grid.size)
    image.SetSpacing(*grid.spacing_mm)
    image.SetOrigin(*(LPS_TO_RAS @ np.asarray(grid.origin_mm)))
    vectors = np.ascontiguousarray((displacement.array @ LPS_TO_RAS.T).reshape(-1, 3), dtype=np.float64)
    image.GetPointData().SetScalars(numpy_to_vtk(vectors, deep=True))
    direction = np.eye(4)
    direction[:3, :3] = LPS_TO_RAS @ grid.direction
    transform = slicer.vtkOrientedGridTransform()
    transform.SetGridDirectionMatrix(_matrix(direction))
    transform.SetDisplacementGridData(image)
    transform.SetInterpolationModeToCubic()
    node.SetAndObserveTransformFromParent(transform)
    return node


def displacement_of(node: Node) -> Volume:
    """The displacements of a grid transform node from its parent, (k, j, i, 3) LPS mm on its grid.

    Raises:
        InputError: the node holds no displacement grid from its parent.
    """
    transform = node.GetTransformFromParentAs("vtkOrientedGridTransform", False)
    image = transform.GetDisplacementGrid() if transform is not None else None
    if image is None or image.GetPointData().GetScalars() is None or image.GetNumberOfPoints() < 8:
        raise InputError(f"The transform {node.GetName()} holds no displacements: register again.")
    i, j, k = image.GetDimensions()
    matrix = transform.GetGridDirectionMatrix()
    direction = LPS_TO_RAS @ (_array(matrix)[:3, :3] if matrix is not None else np.eye(3))
    grid = Grid((k, j, i), image.GetSpacing(), tuple(LPS_TO_RAS @ np.asarray(image.GetOrigin())), direction)
    vectors = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(k, j, i, 3)
    return Volume(vectors @ LPS_TO_RAS.T, grid)


# Markups


def points_of(node: Node) -> tuple[list[str], NDArray[np.float64]]:
    """Labels and world positions (points, 3), LPS mm, of the points that were placed."""
    labels, points = [], []
    for n in range(node.GetNumberOfControlPoints()):
        if node.GetNthControlPointPositionStatus(n) == slicer.vtkMRMLMarkupsNode.PositionDefined:
            position = [0.0, 0.0, 0.0]
            node.GetNthControlPointPositionWorld(n, position)
            labels.append(node.GetNthControlPointLabel(n))
            points.append(position)
    return labels, np.asarray(points, dtype=float).reshape(-1, 3) @ LPS_TO_RAS.T


def points_node(points: ArrayLike, name: str, labels: list[str] | None = None, node: Node | None = None) -> Node:
    """A list of points at world positions (points, 3), LPS mm."""
    node = _node("vtkMRMLMarkupsFiducialNode", name, node)
    node.RemoveAllControlPoints()
    for n, point in enumerate(np.asarray(points, dtype=float).reshape(-1, 3) @ LPS_TO_RAS.T):
        index = node.AddControlPointWorld(vtk.vtkVector3d(*point))
        if labels is not None:
            node.SetNthControlPointLabel(index, labels[n])
    return node


def box_of(node: Node, to: vtk.vtkAbstractTransform | None = None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lowest and highest corner, LPS mm, of a markups box, or of a volume's outer edges.

    Args:
        node: the box or volume.
        to: from its own coordinates to those in which it is wanted, RAS mm; the world if not given.
    """
    bounds = np.zeros(6)
    if to is None:
        node.GetRASBounds(bounds)
        corners = bounds.reshape(3, 2).T
    else:
        node.GetBounds(bounds)
        corners = np.array([to.TransformPoint(corner) for corner in product(*bounds.reshape(3, 2).tolist())])
    corners = corners @ LPS_TO_RAS.T
    return corners.min(axis=0), corners.max(axis=0)


def box_node(low_mm: ArrayLike, high_mm: ArrayLike, name: str, node: Node | None = None) -> Node:
    """A markups box along the axes between two corners, LPS mm."""
    corners = np.stack([low_mm, high_mm]) @ LPS_TO_RAS.T
    node = _node("vtkMRMLMarkupsROINode", name, node)
    node.SetCenter(*corners.mean(axis=0))
    node.SetSize(*np.abs(corners[1] - corners[0]))
    return node


# Tables and texts


def table_node(path: Path, name: str, node: Node | None = None) -> Node:
    """A table node of a CSV file with a header; columns in which every value is a number become numbers."""
    with path.open(newline="", encoding="utf-8") as file:
        header, *rows = list(csv.reader(file))
    node = _node("vtkMRMLTableNode", name, node)
    node.RemoveAllColumns()
    for title, values in zip(header, zip(*rows, strict=True) if rows else [()] * len(header), strict=True):
        column = _column(list(values))
        column.SetName(title)
        node.AddColumn(column)
    return node


def _column(values: list[str]) -> vtk.vtkAbstractArray:
    try:
        return numpy_to_vtk(np.array([float(value) for value in values]), deep=True)
    except ValueError:
        column = vtk.vtkStringArray()
        for value in values:
            column.InsertNextValue(value)
        return column


def write_table(node: Node, path: Path) -> None:
    """Write a table node as CSV with a header."""
    table = node.GetTable()
    columns = [table.GetColumn(n) for n in range(table.GetNumberOfColumns())]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([column.GetName() for column in columns])
        for row in range(table.GetNumberOfRows()):
            writer.writerow([_plain(column.GetVariantValue(row)) for column in columns])


def _plain(value: vtk.vtkVariant) -> str:
    if value.IsString():
        return value.ToString()
    number = value.ToDouble()
    return str(int(number)) if number == int(number) else repr(number)


def text_node(text: str, name: str, node: Node | None = None) -> Node:
    """A text node, which is saved with the scene."""
    node = _node("vtkMRMLTextNode", name, node)
    node.SetText(text)
    return node


# Files


def write_node(node: Node, path: Path) -> None:
    """Write a node in the form that Slicer gives to files of that suffix; where the node itself is saved stays so.

    Raises:
        InputError: the file could not be written.
    """
    storage = node.CreateDefaultStorageNode()
    storage.SetScene(slicer.mrmlScene)
    storage.SetFileName(str(path))
    if not storage.WriteData(node) or not path.is_file():
        raise InputError(f"{path.name} could not be written: free some space or choose another folder.")
