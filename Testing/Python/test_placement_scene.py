"""A reconstructed volume in a real MRML scene: a point drawn on a transverse frame lies where the frame is."""

import numpy as np
import pytest

from MR2USProLib.commands import fill
from MR2USProLib.video.exam import write_stack
from MR2USProLib.volume import Volume
from phantom_exam import phantom_exam

pytestmark = pytest.mark.usefixtures("slicerApp")

OFFSET_MM, VOXEL_MM = 7.5, (0.4, 0.5, 0.8)


def test_a_point_on_a_frame_lies_where_the_frame_is(tmp_path):
    import slicer
    import vtk

    from MR2USProLib import mrml

    taken = phantom_exam()
    row_mm, column_mm = taken.transverse_spacing_mm
    drawn = {4: (120, 100), 11: (150, 190), 20: (80, 170)}  # frame: row, column
    pictures = np.where(taken.transverse > 0, 30, 0).astype(np.uint8)
    for t, (row, column) in drawn.items():
        pictures[t, row - 4 : row + 5, column - 4 : column + 5] = 250
    write_stack(tmp_path / "transverse.nrrd", pictures, (row_mm, column_mm))
    wobble_px = np.linspace(0, 6, len(pictures))
    with (tmp_path / "positions.csv").open("w") as file:
        file.write("frame,position_mm,offset_x_px,offset_y_px,matches,inliers,confidence,status\n")
        for t, position in enumerate(taken.positions_mm):
            file.write(f"{t},{position:.4f},0,{wobble_px[t]:.3f},9,9,0.9,ok\n")
    said = fill.run(
        out=tmp_path / "fill",
        transverse=tmp_path / "transverse.nrrd",
        positions=tmp_path / "positions.csv",
        sagittal_row_mm=0.19,
        voxel_mm=VOXEL_MM,
        plane_offset_mm=OFFSET_MM,
    )
    assert said["volume_spacing_mm"] == list(VOXEL_MM)
    node = mrml.volume_node(Volume.read(tmp_path / "fill" / "trus.nrrd"), "TRUS")
    assert node.GetSpacing() == pytest.approx(VOXEL_MM)
    measured = mrml.volume_node(Volume.read(tmp_path / "fill" / "trus_measured.nrrd"), "Measured")
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    shown = slicer.util.arrayFromVolume(node) * (slicer.util.arrayFromVolume(measured) > 0)
    for t, (row, column) in drawn.items():
        z = -(taken.positions_mm[t] + OFFSET_MM)
        lps = [(column - 159.5) * column_mm, -(row * row_mm + wobble_px[t] * 0.19), z]
        k, j, i = bright(shown, matrix, z)
        ras = matrix.MultiplyPoint((i, j, k, 1))[:3]
        np.testing.assert_allclose(ras, np.multiply(lps, [-1, -1, 1]), atol=0.5 * max(VOXEL_MM), err_msg=f"frame {t}")
        assert said["frame_planes"]["z_mm"][t] == pytest.approx(z, abs=1e-3)


def bright(shown: np.ndarray, matrix, z: float) -> tuple[float, float, float]:
    """(k, j, i) of the bright middle of the slice nearest to a height."""
    k = round((z - matrix.GetElement(2, 3)) / matrix.GetElement(2, 2))
    j, i = np.argwhere(shown[k] > 150).mean(axis=0)
    return k, j, i
