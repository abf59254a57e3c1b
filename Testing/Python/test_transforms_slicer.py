"""The transform in the real Slicer: what a user gets who loads transform.h5 and puts the MR under it."""

import numpy as np
import pytest

from MR2USProLib.registration import transforms
from oblique_pair import deformation, fixed_grid, initial, mirrored_slices, mr_around, working_grid

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed", exc_type=ImportError)
vtk = pytest.importorskip("vtk")

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def as_matrix(values):
    matrix = vtk.vtkMatrix4x4()
    matrix.DeepCopy(values.ravel().tolist())
    return matrix


def ijk_to_ras(grid):
    values = np.eye(4)
    values[:3, :3], values[:3, 3] = grid.index_to_mm, grid.origin_mm
    return as_matrix(LPS_TO_RAS @ values)


def as_image(array):
    from vtk.util.numpy_support import numpy_to_vtk

    image = vtk.vtkImageData()
    image.SetDimensions(*array.shape[::-1])
    image.GetPointData().SetScalars(numpy_to_vtk(array.ravel(), deep=True))
    return image


def volume_node(scene, volume):
    node = slicer.vtkMRMLScalarVolumeNode()
    scene.AddNode(node)
    node.SetIJKToRASMatrix(ijk_to_ras(volume.grid))
    node.SetAndObserveImageData(as_image(volume.array))
    return node


def loaded(scene, path):
    node, storage = slicer.vtkMRMLTransformNode(), slicer.vtkMRMLTransformStorageNode()
    scene.AddNode(node)
    scene.AddNode(storage)
    storage.SetFileName(str(path))
    assert storage.ReadData(node)
    return node


def resliced(moving_node, fixed):
    """The moving node, under its transform, on the fixed grid: index -> world -> moving node -> index, linearly."""
    from vtk.util.numpy_support import vtk_to_numpy

    world_to_moving = vtk.vtkGeneralTransform()
    slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(None, moving_node.GetParentTransformNode(), world_to_moving)
    ras_to_ijk = vtk.vtkMatrix4x4()
    moving_node.GetRASToIJKMatrix(ras_to_ijk)
    path = vtk.vtkGeneralTransform()
    path.PostMultiply()
    path.Concatenate(ijk_to_ras(fixed))
    path.Concatenate(world_to_moving)
    path.Concatenate(ras_to_ijk)
    reslice = vtk.vtkImageReslice()
    reslice.SetInputData(moving_node.GetImageData())
    reslice.SetResliceTransform(path)
    reslice.SetOutputOrigin(0, 0, 0)
    reslice.SetOutputSpacing(1, 1, 1)
    reslice.SetOutputExtent(*(bound for n in fixed.size for bound in (0, n - 1)))
    reslice.SetInterpolationModeToLinear()
    reslice.SetBackgroundLevel(moving_node.GetImageData().GetScalarRange()[0])
    reslice.Update()
    return vtk_to_numpy(reslice.GetOutput().GetPointData().GetScalars()).reshape(fixed.shape)


@pytest.fixture(scope="module")
def scene():
    return slicer.vtkMRMLScene()


@pytest.fixture(scope="module")
def fixed():
    return fixed_grid()


@pytest.fixture(scope="module")
def joined(fixed):
    return transforms.composite(initial(), deformation(working_grid(fixed), 5.0), fixed)


@pytest.mark.parametrize("handed", ["right", "left"])
def test_slicer_warps_the_mr_as_we_do(tmp_path, scene, fixed, joined, handed):
    moving = mr_around(transforms.map_points(fixed.centre_mm, joined))
    if handed == "left":
        moving = mirrored_slices(moving)
    transforms.write_transform(tmp_path / "transform.h5", joined)
    node = volume_node(scene, moving)
    node.SetAndObserveTransformNodeID(loaded(scene, tmp_path / "transform.h5").GetID())

    theirs = resliced(node, fixed)
    ours = transforms.warp(moving, fixed, joined).array

    index = moving.grid.to_index(transforms.map_points(fixed.points(), joined))
    inside = np.all((index > 0.5) & (index < np.asarray(moving.grid.size) - 1.5), axis=-1)
    spread = float(np.ptp(moving.array))
    assert inside.mean() > 0.8
    assert np.ptp(ours[inside]) > 0.9 * spread  # the edges are in view
    assert np.abs(theirs - ours)[inside].max() < 0.01 * spread

    node.SetAndObserveTransformNodeID(None)
    assert np.abs(resliced(node, fixed) - ours)[inside].mean() > 0.05 * spread  # and the transform is what does it


def test_slicer_maps_every_fixed_voxel_to_the_same_place(tmp_path, scene, fixed, joined):
    transforms.write_transform(tmp_path / "transform.h5", joined)
    world_to_moving = vtk.vtkGeneralTransform()
    slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(
        None, loaded(scene, tmp_path / "transform.h5"), world_to_moving
    )
    points = fixed.points()[::3, ::3, ::3].reshape(-1, 3)
    flip = np.array([-1.0, -1.0, 1.0])
    theirs = np.array([world_to_moving.TransformPoint(point) for point in (points * flip).tolist()]) * flip
    np.testing.assert_allclose(theirs, transforms.map_points(points, joined), atol=1e-6)


def test_slicer_inverts_it_for_targets_drawn_on_the_mr(tmp_path, scene, fixed, joined):
    """A point of the MR under the transform appears in the TRUS where our inverse puts it."""
    transforms.write_transform(tmp_path / "transform.h5", joined)
    moving_to_world = vtk.vtkGeneralTransform()
    slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(
        loaded(scene, tmp_path / "transform.h5"), None, moving_to_world
    )
    targets = transforms.map_points(working_grid(fixed).points()[4:-4:7, 4:-4:7, 4:-4:7].reshape(-1, 3), joined)
    flip = np.array([-1.0, -1.0, 1.0])
    theirs = np.array([moving_to_world.TransformPoint(point) for point in (targets * flip).tolist()]) * flip
    np.testing.assert_allclose(theirs, transforms.inverse_points(targets, joined), atol=0.01)


def test_a_known_shift_moves_the_mr_the_other_way(tmp_path, scene, fixed):
    """Fixed to moving is +5 mm along x (left), so in Slicer the MR moves 5 mm to the right: +5 mm in RAS."""
    still = deformation(working_grid(fixed), 1e-6)
    transforms.write_transform(tmp_path / "shift.h5", transforms.composite(_shift(5.0), still, fixed))
    moving_to_world = vtk.vtkGeneralTransform()
    slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(loaded(scene, tmp_path / "shift.h5"), None, moving_to_world)
    centre_ras = fixed.centre_mm * [-1, -1, 1]
    np.testing.assert_allclose(moving_to_world.TransformPoint(centre_ras), centre_ras + np.array([5, 0, 0]), atol=1e-3)


def _shift(x_mm):
    import SimpleITK as sitk

    return sitk.TranslationTransform(3, (x_mm, 0.0, 0.0))
