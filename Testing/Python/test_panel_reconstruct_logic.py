"""MR2USReconstructLogic from Python: nodes in, nodes out, and no window."""

import numpy as np
import pytest

from MR2USProLib.errors import InputError
from MR2USProLib.video.exam import write_stack
from small_exam import FRAMES, SAGITTAL_MM, SPOILT, TRANSVERSE_MM, small_exam


@pytest.fixture
def logic(slicerApp):
    slicerApp.loadModule("MR2USReconstruct")
    from MR2USReconstruct import MR2USReconstructLogic

    logic = MR2USReconstructLogic()
    yield logic
    logic.runner.cleanup()


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    exam, folder = small_exam(), tmp_path_factory.mktemp("exam")
    write_stack(folder / "sagittal.mha", exam.sagittal, (SAGITTAL_MM, SAGITTAL_MM))
    write_stack(folder / "transverse.mha", exam.transverse, (TRANSVERSE_MM, TRANSVERSE_MM))
    return {"sagittal": folder / "sagittal.mha", "transverse": folder / "transverse.mha"}


def test_all_steps_at_once_and_each_again(logic, files):
    import slicer

    exam = small_exam()
    frames, stitching, filled = logic.reconstruct(**files, matcher="orb", method="none", voxelMm=0.8)
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(frames.sagittal), exam.sagittal)
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(frames.transverse), exam.transverse)
    found = np.array(slicer.util.arrayFromTableColumn(stitching.positions, "position_mm"))
    used = np.arange(FRAMES) != SPOILT
    assert np.abs(found - exam.positions_mm)[used].max() < 0.2
    assert [stitching.suspects.GetCellText(0, n) for n in (0, 2)] == [str(SPOILT), "interpolated"]
    assert stitching.results["verdict"]["level"] == "good"

    # The map stands in the plane x = 0 of the volume's world, each frame where the table says.
    offset = [float(stitching.positions.GetCellText(12, n)) for n in (2, 3)]
    column, row = np.meshgrid(np.arange(20, 120), np.arange(20, 100))
    ras = [0 * row, (row + offset[1]) * SAGITTAL_MM, -(column + offset[0]) * SAGITTAL_MM, 0 * row + 1]
    i, j, k = np.rint(np.tensordot(np.linalg.inv(_to_ras(stitching.map)), ras, 1))[:3].astype(int)
    assert (k == 0).all()
    shown = slicer.util.arrayFromVolume(stitching.map)[0, j, i]
    assert np.corrcoef(shown.ravel(), exam.sagittal[12][20:100, 20:120].ravel())[0, 1] > 0.7
    bounds = np.zeros(6)
    filled.trus.GetRASBounds(bounds)
    low, high = exam.positions_mm[used].min(), exam.positions_mm[used].max()
    np.testing.assert_allclose(bounds[4:], (-high, -low), atol=0.8)
    outlines = np.zeros(6)
    filled.outlines.GetRASBounds(outlines)
    np.testing.assert_allclose(outlines[:2], (-70 * TRANSVERSE_MM, 70 * TRANSVERSE_MM), atol=1e-6)
    np.testing.assert_allclose(outlines[4:], (-high, -low), atol=0.2)
    slices = slicer.util.arrayFromVolume(filled.trus).reshape(len(slicer.util.arrayFromVolume(filled.trus)), -1)
    assert (slices.max(axis=1) == 0).any()
    assert filled.sparse.GetImageData().GetDimensions() == filled.trus.GetImageData().GetDimensions()

    # Earlier nodes are overwritten, and those that were deleted made again.
    slicer.mrmlScene.RemoveNode(filled.sparse)
    again = logic.fill(frames.transverse, stitching.positions, method="none", voxelMm=1.6, into=filled)
    assert again.trus is filled.trus
    assert again.sparse is not filled.sparse
    assert again.trus.GetSpacing()[0] == pytest.approx(1.6)


def _to_ras(node):
    import vtk

    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    return np.array([[matrix.GetElement(row, column) for column in range(4)] for row in range(4)])


def test_a_box_gives_back_its_region_whatever_the_spacing(slicerApp):
    from MR2USProLib.mrml import volume_node
    from MR2USProLib.volume import Grid, Volume
    from MR2USProPanels.viewBoxes import boxNode, roiOf

    for spacing in ((1.0, 1.0, 1.0), (0.19, 0.23, 1.0)):
        picture = volume_node(Volume(np.zeros((1, 90, 120), np.uint8), Grid((1, 90, 120), spacing)), "picture")
        box = boxNode(picture, (10, 20, 37, 41), "box")
        assert roiOf(box, picture) == [10, 20, 37, 41]
        boxNode(picture, (-5, 60, 50, 50), "", box)
        assert roiOf(box, picture) == [0, 60, 45, 30]
        boxNode(picture, (200, 0, 10, 10), "", box)
        assert roiOf(box, picture) == [0, 0, 0, 0]


def test_wrong_input_is_one_sentence_and_leaves_nothing(logic, files, tmp_path):
    import slicer

    before = slicer.mrmlScene.GetNumberOfNodes()
    (tmp_path / "text.mha").write_text("this is no image")
    for wrong in (
        {"video": tmp_path / "lost.mp4"},
        {"video": tmp_path / "text.mha"},
        {"sagittal": files["sagittal"]},
        {**files, "sagittalRoi": (0, 0, 999, 999)},
        {**files, "spacingMm": 40.0},
        {},
    ):
        with pytest.raises(InputError) as error:
            logic.readExam(**wrong)
        assert "\n" not in str(error.value)
        assert "Traceback" not in str(error.value)
    empty = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "nothing")
    with pytest.raises(InputError, match="empty"):
        logic.stitch(empty)
    slicer.mrmlScene.RemoveNode(empty)
    assert slicer.mrmlScene.GetNumberOfNodes() == before


def test_one_job_at_a_time(logic, files, slicerApp):
    from MR2USProPanels.jobRunner import Callbacks

    found = []
    logic.inspectExam(**files, callbacks=Callbacks(onDone=found.append))
    with pytest.raises(InputError, match="under way"):
        logic.readExam(**files)
    slicerApp.waitUntil(lambda: found)
    assert found[0].results["frames"] == FRAMES
    assert found[0].transversePicture is not None


@pytest.mark.slow
def test_the_modules_own_test(slicerApp):
    slicerApp.loadModule("MR2USReconstruct")
    from MR2USReconstruct import MR2USReconstructTest

    test = MR2USReconstructTest()
    test.setUp()
    test.test_reconstruct()
