"""The whole road through the commands, on a small grid: what lies in the folders, and whether it is true."""

import csv
import json

import numpy as np
import pytest
import SimpleITK as sitk

from MR2USProLib.commands import reconstruct, register, simulate, translate
from MR2USProLib.pipeline import pairing
from MR2USProLib.volume import Grid, Volume

SMALL = (16, 40, 40)


@pytest.fixture(scope="module")
def small_grid():
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(pairing.SHAPES, "fast", SMALL)
        yield


@pytest.fixture(scope="module")
def road(tmp_path_factory, small_grid):
    """An easy exam, reconstructed and registered; the folder with everything, and the simulated truth."""
    folder = tmp_path_factory.mktemp("road")
    truth = simulate.run(out=folder / "exam", frames=48, level="medium", seed=2)
    reconstruct.run(
        out=folder / "trus",
        sagittal=folder / "exam" / "sagittal.mha",
        transverse=folder / "exam" / "transverse.mha",
        matcher="orb",
        fill="linear",
        voxel_mm=1.0,
    )
    register.run(
        out=folder / "registered",
        moving=folder / "exam" / "mr.nrrd",
        fixed=folder / "trus" / "trus.nrrd",
        initial="centers",
        preset="fast",
        moving_label=folder / "exam" / "mr_label.nrrd",
        fixed_label=folder / "exam" / "us_label.nrrd",
    )
    return folder, truth


def test_frames_are_placed_where_the_probe_was(road):
    folder, truth = road
    with (folder / "trus" / "positions.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [
        "frame", "position_mm", "offset_x_px", "offset_y_px", "matches", "inliers", "confidence", "status",
    ]  # fmt: skip
    assert [int(row["frame"]) for row in rows] == list(range(48))
    found = np.array([float(row["position_mm"]) for row in rows])
    assert np.abs(found - truth.positions_mm).mean() < 0.1


def test_the_volume_shows_the_anatomy_where_it_is(road):
    folder, truth = road
    trus = Volume.read(folder / "trus" / "trus.nrrd")
    np.testing.assert_allclose(trus.grid.direction, np.diag([1.0, -1.0, -1.0]))
    np.testing.assert_allclose(trus.grid.spacing_mm, 1.0)
    zones = truth.us_zones.resampled(trus.grid, interpolation="nearest").array
    shown = trus.array > 0
    grey = {
        name: trus.array[(zones == value) & shown].mean()
        for name, value in (("peripheral", 1), ("transition", 2), ("bladder", 7))
    }
    assert grey["transition"] < 0.85 * grey["peripheral"]
    assert grey["bladder"] < 0.8 * grey["peripheral"]
    sparse = Volume.read(folder / "trus" / "trus_sparse.nrrd")
    assert sparse.grid == trus.grid
    assert 0 < np.mean(sparse.array > 0) < np.mean(trus.array > 0)


def test_the_map_lies_in_the_sagittal_plane_of_the_volume(road):
    folder, _ = road
    sagittal_map = sitk.ReadImage(str(folder / "trus" / "sagittal_map.nrrd"))
    trus = Volume.read(folder / "trus" / "trus.nrrd")
    columns, rows, _ = sagittal_map.GetSize()
    # The map's pixel at the first frame's plane, half-way down, shows what the volume shows there.
    points = [[0.0, -y, -z] for y in (15.0, 25.0, 35.0) for z in (10.0, 20.0, 30.0)]
    picture = sitk.GetArrayFromImage(sagittal_map)[0]
    volume = trus.to_sitk()
    seen, known = [], []
    for point in points:
        column, row, _ = np.round(sagittal_map.TransformPhysicalPointToContinuousIndex(point)).astype(int)
        assert 3 < column < columns - 3
        assert 3 < row < rows - 3
        seen.append(picture[row - 8 : row + 9, column - 8 : column + 9].mean())
        i, j, k = np.round(volume.TransformPhysicalPointToContinuousIndex(point)).astype(int)
        known.append(trus.array[k - 1 : k + 2, j - 1 : j + 2, i - 1 : i + 2].mean())
    assert np.corrcoef(seen, known)[0, 1] > 0.6


def test_warped_is_what_simpleitk_makes_of_the_transform(road):
    folder, _ = road
    mr = sitk.ReadImage(str(folder / "exam" / "mr.nrrd"))
    fixed = sitk.ReadImage(str(folder / "trus" / "trus.nrrd"))
    transform = sitk.ReadTransform(str(folder / "registered" / "transform.h5"))
    expected = sitk.GetArrayFromImage(
        sitk.Resample(sitk.Cast(mr, sitk.sitkFloat64), fixed, transform, sitk.sitkLinear, 0.0)
    )
    inside = sitk.GetArrayFromImage(sitk.Resample(mr * 0 + 1, fixed, transform, sitk.sitkNearestNeighbor, 0)) > 0
    warped = Volume.read(folder / "registered" / "warped.nrrd")
    assert warped.grid == Grid.of(fixed)
    span = np.ptp(sitk.GetArrayFromImage(mr))
    assert np.abs(warped.array - expected)[inside].max() < 0.01 * span
    assert inside.mean() > 0.5


def test_displacement_is_the_transform_in_mm_with_the_initial_alignment_in_it(road):
    folder, _ = road
    displacement = Volume.read(folder / "registered" / "displacement.nrrd")
    transform = sitk.ReadTransform(str(folder / "registered" / "transform.h5"))
    rng = np.random.default_rng(0)
    for k, j, i in rng.integers(0, displacement.grid.shape, (20, 3)):
        point = displacement.grid.to_world([i, j, k])
        there = np.array(transform.TransformPoint(point.tolist()))
        np.testing.assert_allclose(displacement.array[k, j, i], there - point, atol=1e-3)


def test_it_gets_better_and_folds_nowhere(road):
    folder, truth = road
    metrics = json.loads((folder / "registered" / "metrics.json").read_text())
    assert metrics["after"]["dsc"] > metrics["before"]["dsc"]
    assert metrics["deformation"]["folding"]["fraction"] == 0
    assert metrics["structure"]["followed"]
    transform = sitk.ReadTransform(str(folder / "registered" / "transform.h5"))
    carried = np.array([transform.TransformPoint(point) for point in truth.us_points_mm.tolist()])
    mr, trus = (Volume.read(folder / name) for name in ("exam/mr.nrrd", "trus/trus.nrrd"))
    start = truth.us_points_mm - trus.grid.centre_mm + mr.grid.centre_mm
    before, after = (np.linalg.norm(there - truth.mr_points_mm, axis=1).mean() for there in (start, carried))
    assert after < 0.9 * before


def test_warped_label_meets_the_fixed_label_as_the_metrics_say(road):
    folder, truth = road
    warped = Volume.read(folder / "registered" / "warped_label.nrrd")
    there = warped.array > 0
    known = truth.us_label.resampled(warped.grid, interpolation="nearest").array > 0
    dsc = 2 * (there & known).sum() / (there.sum() + known.sum())
    metrics = json.loads((folder / "registered" / "metrics.json").read_text())
    assert dsc == pytest.approx(metrics["after"]["dsc"], abs=0.02)


@pytest.mark.parametrize("part", ["trus", "registered"])
def test_reports_are_whole_and_name_no_files(road, part):
    folder, _ = road
    page = (folder / part / "report.html").read_text("utf-8")
    assert page.count("data:image/png;base64,") >= 3
    account = (folder / part / "report.json").read_text("utf-8")
    for text in (page, account):
        assert str(folder) not in text
        assert "sagittal.mha" not in text
    assert json.loads(account)["seconds"]


def test_translate_leaves_both_images_on_one_grid(road, tmp_path):
    folder, _ = road
    translate.run(
        out=tmp_path / "pair",
        mr=folder / "exam" / "mr.nrrd",
        us=folder / "trus" / "trus.nrrd",
        initial="centers",
        preset="fast",
        fixed_roi=(-25.0, -45.0, -45.0, 25.0, -8.0, -10.0),
    )
    mr, us = (Volume.read(tmp_path / "pair" / f"{side}_translated.nrrd") for side in ("mr", "us"))
    assert mr.grid == us.grid
    assert mr.grid.shape == SMALL
    assert np.abs(mr.array).max() <= 1
    low, high = mr.grid.corners().min(axis=0), mr.grid.corners().max(axis=0)
    np.testing.assert_allclose([low, high], [[-25, -45, -45], [25, -8, -10]], atol=1.01)


TURN = sitk.Euler3DTransform((0.0, 0.0, 0.0), 0.12, -0.2, 0.3, (7.0, -4.0, 11.0))


def blobs(grid: Grid, transform: sitk.Transform | None = None) -> Volume:
    """A smooth scene with structure along every axis, fixed in the world, seen through a transform."""
    points = grid.points().reshape(-1, 3)
    if transform is not None:
        points = np.array([transform.TransformPoint(point) for point in points.tolist()])
    rng = np.random.default_rng(11)
    values = np.zeros(len(points))
    for centre, height in zip(rng.uniform(-20, 20, (14, 3)), rng.uniform(0.5, 1.5, 14), strict=True):
        values += height * np.exp(-((points - centre) ** 2).sum(axis=1) / 60)
    return Volume((1000 * values + 10).reshape(grid.shape).astype(np.float32), grid)


@pytest.mark.parametrize("handedness", [1, -1], ids=["right-handed", "left-handed"])
def test_a_known_pose_comes_out_of_an_oblique_anisotropic_pair(tmp_path, small_grid, handedness):
    oblique = np.array(sitk.Euler3DTransform((0, 0, 0), 0.4, 0.1, -0.3).GetMatrix()).reshape(3, 3) * [1, 1, handedness]
    moving_grid = Grid((22, 70, 70), (0.9, 0.9, 3.0), (0, 0, 0), oblique)
    moving_grid = Grid(moving_grid.shape, moving_grid.spacing_mm, tuple(-moving_grid.centre_mm), oblique)
    # The fixed scene is the moving one under TURN: fixed points lie where TURN's inverse takes the moving ones.
    centre = TURN.GetInverse().TransformPoint((0.0, 0.0, 0.0))
    fixed_grid = Grid((24, 34, 40), (1.2, 1.1, 1.6), tuple(np.array(centre) - [23.4, 18.15, 18.4]))
    blobs(moving_grid).write(tmp_path / "moving.nrrd")
    blobs(fixed_grid, TURN).write(tmp_path / "fixed.nrrd")
    sitk.WriteTransform(TURN, str(tmp_path / "pose.tfm"))
    register.run(
        out=tmp_path / "out",
        moving=tmp_path / "moving.nrrd",
        fixed=tmp_path / "fixed.nrrd",
        initial=str(tmp_path / "pose.tfm"),
        translation="none",
        preset="fast",
    )
    found = Volume.read(tmp_path / "out" / "displacement.nrrd")
    points = found.grid.points()
    known = np.array([TURN.TransformPoint(p) for p in points.reshape(-1, 3).tolist()]).reshape(points.shape) - points
    assert np.linalg.norm(known, axis=-1).mean() > 8
    assert np.linalg.norm(found.array - known, axis=-1).mean() < 0.4
    warped = Volume.read(tmp_path / "out" / "warped.nrrd").array
    fixed = Volume.read(tmp_path / "fixed.nrrd").array
    assert np.corrcoef(warped.ravel(), fixed.ravel())[0, 1] > 0.97


def test_a_translation_is_found_and_the_same_seed_finds_the_same(tmp_path, small_grid):
    shift = np.array([3.0, -2.0, 2.5])
    grid = Grid((30, 36, 36), (1.4, 1.4, 1.6), (-24.5, -24.5, -23.2))
    blobs(grid).write(tmp_path / "moving.nrrd")
    blobs(grid, sitk.TranslationTransform(3, shift.tolist())).write(tmp_path / "fixed.nrrd")
    fields = []
    for name in ("first", "second"):
        register.run(
            out=tmp_path / name,
            moving=tmp_path / "moving.nrrd",
            fixed=tmp_path / "fixed.nrrd",
            translation="none",
            preset="fast",
            fixed_roi=(-18, -18, -18, 18, 18, 18),
            seed=7,
        )
        fields.append(Volume.read(tmp_path / name / "displacement.nrrd"))
    np.testing.assert_array_equal(fields[0].array, fields[1].array)
    inner = np.all(np.abs(grid.points()) < 14, axis=-1)
    off = np.linalg.norm(fields[0].array - shift, axis=-1)[inner].mean()
    assert off < 0.4 * np.linalg.norm(shift)
    # Outside the region the field goes on as it is at the border: it neither jumps nor folds.
    assert fields[0].grid == grid
    assert np.linalg.norm(fields[0].array, axis=-1).min() > 0.5
