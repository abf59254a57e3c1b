"""The crossing to a real MRML scene, there and back, against what SimpleITK and NumPy say."""

import csv

import numpy as np
import pytest
import SimpleITK as sitk

from MR2USProLib.errors import InputError
from MR2USProLib.registration import transforms
from MR2USProLib.volume import Volume
from oblique_pair import deformation, fixed_grid, initial, mirrored_slices, mr_around

pytestmark = pytest.mark.usefixtures("slicerApp")


@pytest.fixture
def mrml():
    from MR2USProLib import mrml

    return mrml


@pytest.fixture
def slicer():
    return pytest.importorskip("slicer")


@pytest.fixture(scope="module")
def mr():
    return mr_around(initial().TransformPoint(fixed_grid().centre_mm.tolist()))


def to_parent(node, points_lps):
    """World positions, LPS, of points of a node under this transform."""
    flip = np.array([-1.0, -1.0, 1.0])
    import vtk

    transform = vtk.vtkGeneralTransform()
    node.GetTransformToWorld(transform)
    return np.array([transform.TransformPoint(*(p * flip)) for p in points_lps]) * flip


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_volume_comes_back_as_it_went(mrml, mr, mirrored):
    volume = mirrored_slices(mr) if mirrored else mr
    back = mrml.volume_of(mrml.volume_node(volume, "MR"))
    assert back.grid == volume.grid
    np.testing.assert_array_equal(back.array, volume.array)


def test_a_voxel_lies_in_the_scene_where_it_lies_in_the_file(mrml, slicer, mr, tmp_path):
    import vtk

    mr.write(tmp_path / "mr.nrrd")
    node = mrml.volume_node(mr, "MR")
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    ras = matrix.MultiplyPoint((7, 11, 5, 1))[:3]
    lps = sitk.ReadImage(str(tmp_path / "mr.nrrd")).TransformIndexToPhysicalPoint((7, 11, 5))
    np.testing.assert_allclose(ras, np.array(lps) * [-1, -1, 1], atol=1e-4)
    assert slicer.util.arrayFromVolume(node)[5, 11, 7] == pytest.approx(mr.array[5, 11, 7])


def test_running_again_overwrites_the_node(mrml, slicer, mr):
    node = mrml.volume_node(mr, "MR")
    other = Volume(np.zeros((3, 4, 5), np.uint8), mr.grid.resampled(shape=(3, 4, 5)))
    assert mrml.volume_node(other, "MR", node) is node
    assert mrml.volume_of(node).array.shape == (3, 4, 5)
    slicer.mrmlScene.RemoveNode(node)
    assert mrml.volume_node(other, "MR", node) is not node


def test_an_empty_volume_is_refused(mrml, slicer):
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Empty")
    with pytest.raises(InputError, match="Empty is empty"):
        mrml.volume_of(node)


def test_the_start_puts_the_moving_points_onto_the_fixed_ones(mrml):
    node = mrml.linear_transform_node(initial(), "Start")
    fixed = np.array([[0.0, 0, 0], [12, -30, 44], [-7, 5, 9]])
    moving = np.array([initial().TransformPoint(p.tolist()) for p in fixed])
    np.testing.assert_allclose(to_parent(node, moving), fixed, atol=1e-9)
    back = mrml.transform_of(node)
    np.testing.assert_allclose([back.TransformPoint(p.tolist()) for p in fixed], moving, atol=1e-9)


def test_a_grid_transform_carries_points_of_the_mr_to_the_trus(mrml):
    grid = fixed_grid()
    displacement = deformation(grid, 4.0)
    node = mrml.grid_transform_node(displacement, "MR to TRUS")
    field = sitk.DisplacementFieldTransform(
        sitk.Cast(Volume(displacement.array.astype(np.float64), grid).to_sitk(), sitk.sitkVectorFloat64)
    )
    fixed = grid.to_world(np.array([[20.0, 25, 18], [30, 30, 20], [41.5, 18.25, 30]]))
    moving = np.array([field.TransformPoint(p.tolist()) for p in fixed])
    assert np.linalg.norm(moving - fixed, axis=1).max() > 0.3
    np.testing.assert_allclose(to_parent(node, moving), fixed, atol=0.03)  # Slicer reads the field with cubics
    back = mrml.displacement_of(node)
    assert back.grid == grid
    np.testing.assert_allclose(back.array, displacement.array, atol=1e-6)


def test_a_saved_grid_transform_is_the_same_for_itk(mrml, tmp_path):
    grid = fixed_grid()
    displacement = deformation(grid, 4.0)
    mrml.write_node(mrml.grid_transform_node(displacement, "MR to TRUS"), tmp_path / "t.h5")
    read = transforms.read_transform(tmp_path / "t.h5")
    index = np.array([[20, 25, 18], [30, 30, 20]])
    for point, (i, j, k) in zip(grid.to_world(index), index, strict=True):
        np.testing.assert_allclose(
            np.array(read.TransformPoint(point.tolist())) - point, displacement.array[k, j, i], atol=1e-4
        )


def test_a_transform_without_displacements_or_not_linear_is_refused(mrml, slicer):
    grid = mrml.grid_transform_node(deformation(fixed_grid()), "Bent")
    with pytest.raises(InputError, match="Bent is not linear"):
        mrml.transform_of(grid)
    empty = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLGridTransformNode", "Nothing")
    with pytest.raises(InputError, match="register again"):
        mrml.displacement_of(empty)


def test_points_and_boxes_come_back(mrml):
    points = np.array([[1.0, 2, 3], [-4, 5, -6]])
    node = mrml.points_node(points, "Targets", ["a", "b"])
    labels, back = mrml.points_of(node)
    assert labels == ["a", "b"]
    np.testing.assert_allclose(back, points)
    position = [0.0, 0.0, 0.0]
    node.GetNthControlPointPositionWorld(0, position)
    np.testing.assert_allclose(position, [-1, -2, 3])
    low, high = mrml.box_of(mrml.box_node((-10, -5, 0), (20, 15, 30), "Box"))
    np.testing.assert_allclose(low, [-10, -5, 0])
    np.testing.assert_allclose(high, [20, 15, 30])


def test_a_table_comes_back_as_it_was_written(mrml, tmp_path):
    rows = [["frame", "position_mm", "status"], ["0", "0.25", "ok"], ["1", "-1.5", "interpolated"]]
    with (tmp_path / "in.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    node = mrml.table_node(tmp_path / "in.csv", "Positions")
    assert node.GetTable().GetColumnByName("position_mm").GetValue(1) == -1.5
    mrml.write_table(node, tmp_path / "out.csv")
    with (tmp_path / "out.csv").open(newline="") as file:
        assert list(csv.reader(file)) == rows


def test_the_pictures_of_a_sequence_come_out_in_order(mrml, slicer):
    sequence = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSequenceNode", "Clip")
    pictures = np.random.default_rng(0).integers(0, 255, (4, 6, 8), dtype=np.uint8)
    grid = mr_around((0, 0, 0)).grid.resampled(shape=(1, 6, 8))
    for n, picture in enumerate(pictures):
        sequence.SetDataNodeAtValue(mrml.volume_node(Volume(picture[None], grid), "picture"), str(n))
    np.testing.assert_array_equal(mrml.frames_of(sequence), pictures)
    empty = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSequenceNode", "Nothing")
    with pytest.raises(InputError, match="Nothing holds no pictures"):
        mrml.frames_of(empty)
