"""The volume's grid is the user's, and each frame lies in it at its own depth and behind its own window."""

import json

import numpy as np
import pytest

from MR2USProLib import pipeline
from MR2USProLib.cli import run
from MR2USProLib.errors import InputError
from MR2USProLib.phantom.exam import write_exam
from MR2USProLib.progress import SILENT
from MR2USProLib.reconstruction.placement import place
from MR2USProLib.video.exam import read_exam, write_stack
from phantom_exam import phantom_exam

ROWS, COLUMNS, SPACING = 90, 101, (0.25, 0.3)
POSITIONS = np.array([0.0, 2.0, 4.5, 7.0, 9.0])
ALL = np.ones(5, bool)
DOT = (45, 62)


def frames(rows=(DOT[0],) * 5) -> np.ndarray:
    """A fan with a bright dot in each frame, in its own row."""
    y, x = np.mgrid[0:ROWS, 0:COLUMNS]
    radius, angle = np.hypot(y + 20, x - 50), np.arctan2(x - 50, y + 20)
    fan = (radius > 22) & (radius < 100) & (np.abs(angle) < 0.6)
    dots = [40 + 180 * np.exp(-((y - row) ** 2 + (x - DOT[1]) ** 2) / 18) for row in rows]
    return np.where(fan, dots, 0).astype(np.uint8)


def dot_mm(volume, k) -> np.ndarray:
    """LPS of the dot in a slice."""
    array = np.clip(volume.array[k] - 45, 0, None)
    j, i = (float((array * index).sum() / array.sum()) for index in np.indices(array.shape))
    return volume.grid.to_world([i, j, k])


def test_three_edges_of_a_voxel_are_obeyed():
    volume = place(frames(), SPACING, POSITIONS, usable=ALL, voxel_mm=(0.3, 0.5, 0.75)).volume
    assert volume.grid.spacing_mm == (0.3, 0.5, 0.75)
    assert volume.grid.size == (101, 45, 13)
    expected = [(DOT[1] - 50) * 0.3, -DOT[0] * 0.25, -4.5]
    assert dot_mm(volume, 6) == pytest.approx(expected, abs=0.06)


def test_the_box_is_obeyed_exactly():
    box = (-9.0, -18.0, -12.0, 8.0, -3.0, 2.0)
    placement = place(frames(), SPACING, POSITIONS, usable=ALL, voxel_mm=(0.25, 0.5, 1.0), extent_mm=box)
    grid = placement.volume.grid
    assert grid.size == (68, 30, 14)
    assert grid.corners().min(axis=0) == pytest.approx(box[:3])
    assert grid.corners().max(axis=0) == pytest.approx(box[3:])
    # z = 2 - (k + 1/2): position 4.5 lies on the border of two slices and goes to the one nearer to the feet.
    assert np.flatnonzero(placement.measured.any(axis=(1, 2))).tolist() == [2, 4, 6, 9, 11]
    assert placement.at[[2, 4, 6, 9, 11]] == pytest.approx([1.5, 3.5, 6.0, 8.5, 10.5])
    assert dot_mm(placement.volume, 6)[:2] == pytest.approx([3.6, -11.25], abs=0.06)


def test_a_box_of_broken_voxels_begins_at_the_head_the_probe_and_the_right():
    grid = place(
        frames(), SPACING, POSITIONS, usable=ALL, voxel_mm=1.0, extent_mm=(-8, -17.5, -9.2, 8.3, 0, 1)
    ).volume.grid
    assert grid.size == (17, 18, 11)
    assert grid.corners()[0] == pytest.approx([-8, 0, 1])


@pytest.mark.parametrize("method", ["linear", "kriging"])
def test_nothing_is_invented_where_nobody_looked(method):
    box = (-9.0, -18.0, -15.0, 8.0, -3.0, 5.0)
    filled = pipeline.fill_gaps(
        frames(), SPACING, POSITIONS, ALL, method=method, voxel_mm=0.5, extent_mm=box, progress=SILENT
    )
    lit = np.flatnonzero(filled.volume.array.any(axis=(1, 2)))
    assert (lit.min(), lit.max()) == (10, 28)  # z 5 to -15 in halves: the frames lie from z = 0 to -9
    assert len(lit) == 19


def test_the_plane_lies_where_it_crosses_the_sagittal_view():
    at, away = (
        pipeline.fill_gaps(frames(), SPACING, POSITIONS, ALL, method="none", plane_offset_mm=offset).volume
        for offset in (0.0, 12.5)
    )
    np.testing.assert_array_equal(at.array, away.array)
    assert np.subtract(away.grid.origin_mm, at.grid.origin_mm) == pytest.approx([0, 0, -12.5])


def test_the_wobble_is_undone():
    wobble_mm = np.array([0.0, 1.0, -0.5, 0.25, 2.0])  # deeper in the picture: row (-y + wobble) / row spacing
    shown = frames(DOT[0] + wobble_mm / SPACING[0])
    volume = place(shown, SPACING, POSITIONS, usable=ALL, depths_mm=-wobble_mm, voxel_mm=0.25).volume
    for t, position in enumerate(POSITIONS):
        assert dot_mm(volume, round(position / 0.25))[1] == pytest.approx(-DOT[0] * 0.25, abs=0.04), t


def test_a_reconstruction_is_nearer_to_the_truth_than_without_the_wobble(tmp_path):
    write_exam(phantom_exam(), tmp_path)
    wobble = np.array(json.loads((tmp_path / "truth.json").read_text())["wobble_mm"])
    wobble -= wobble[0]  # the world of a reconstruction begins at its first frame
    exam = read_exam(sagittal=tmp_path / "sagittal.mha", transverse=tmp_path / "transverse.mha")
    grid = {"voxel_mm": (0.4, 0.2, 2.4), "extent_mm": (-20.0, -50.0, -50.4, 20.0, -5.0, 0.0)}
    found = pipeline.reconstruct(exam, matcher="layers", fill="none", **grid)
    row_mm, column_mm = exam.sagittal_spacing_mm
    stitching = found.stitching
    assert np.abs(-stitching.offsets_px[:, 1] * row_mm - wobble).mean() < 0.4 * np.abs(wobble).mean()
    truth, without = (
        place(
            exam.transverse,
            exam.transverse_spacing_mm,
            stitching.positions_mm(column_mm),
            usable=stitching.usable,
            depths_mm=depths,
            **grid,
        )
        for depths in (-wobble, None)
    )
    errors = [np.abs(other.volume.array - truth.volume.array)[:, 30:200].mean() for other in (found.placement, without)]
    assert errors[0] < 0.5 * errors[1]


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"voxel_mm": (0.5, 0.0, 0.5)}, "positive --voxel"),
        ({"extent_mm": (0, 0, 0, 1, -1, 1)}, "--extent is no box"),
        ({"extent_mm": (0, 0, 0, 1, float("nan"), 1)}, "--extent is no box"),
        ({"extent_mm": (-5, -5, 20, 5, 0, 30)}, r"from z = -9\.0 to 0\.0"),
        ({"extent_mm": (-5000, -5000, -5000, 5000, 0, 30)}, "larger --voxel"),
    ],
)
def test_what_is_no_grid_is_refused(how, words):
    with pytest.raises(InputError, match=words):
        place(frames(), SPACING, POSITIONS, usable=ALL, **how)


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["--voxel", "0.5,0.5"], "--voxel is '0.5,0.5': give 3 numbers"),
        (["--voxel", "0"], "--voxel is '0': give edges of at least 0.05 mm"),
        (["--extent", "1,2,3"], "--extent is '1,2,3': give 6 numbers"),
        (["--plane-offset", "inf"], "--plane-offset"),
    ],
)
def test_bad_grids_give_one_sentence(words, hint, tmp_path, capfd):
    taken = phantom_exam()
    files = []
    for view in ("sagittal", "transverse"):
        write_stack(tmp_path / f"{view}.mha", getattr(taken, view), (0.2, 0.2))
        files += [f"--{view}", str(tmp_path / f"{view}.mha")]
    options = [
        "--out",
        str(tmp_path / "out"),
        *files,
        "--matcher",
        "layers",
        "--fill",
        "none",
        "--device",
        "cpu",
        *words,
    ]
    assert run(["reconstruct", *options]) == 2
    (line,) = [line for line in capfd.readouterr().err.splitlines() if line.startswith("mr2us")]
    assert hint in line
    assert not (tmp_path / "out").exists()
