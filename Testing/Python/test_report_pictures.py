"""The pictures, looked at: colours and shapes where the volumes say they should be."""

import io

import numpy as np
import pytest
from PIL import Image

from MR2USProLib.report import charts, pictures
from MR2USProLib.report.cuts import AXIAL, CORONAL, SAGITTAL, WIDTH_INCHES, Cut, Window, centre_of, three
from MR2USProLib.volume import Grid, Volume

TRUS_WORLD = np.diag([1.0, -1.0, -1.0])
GRID = Grid((40, 50, 60), (1.0, 1.0, 1.0), (-30.0, 25.0, 20.0), TRUS_WORLD)  # x -30..29, y 25..-24, z 20..-19


def sphere(centre_mm, radius_mm=8.0, grid=GRID):
    return Volume((np.linalg.norm(grid.points() - centre_mm, axis=-1) <= radius_mm).astype(np.float32), grid)


GRID_VOLUME = sphere((0.0, 0.0, 0.0))


def opened(picture):
    image = Image.open(io.BytesIO(picture.png))
    assert image.format == "PNG"
    assert image.width == WIDTH_INCHES * 130
    assert picture.title
    assert len(picture.caption) > 40
    return np.asarray(image.convert("RGB")).astype(int)


def orange(rgb):
    return (rgb[..., 0] > rgb[..., 2] + 60) & (rgb[..., 0] > rgb[..., 1] + 20)


def blue(rgb):
    return (rgb[..., 2] > rgb[..., 0] + 80) & (rgb[..., 1] > rgb[..., 0] + 60)


@pytest.mark.parametrize("direction", [np.eye(3), TRUS_WORLD, np.diag([-1.0, -1.0, 1.0])])
@pytest.mark.parametrize(
    ("plane", "toward_mm", "row", "column"),
    [
        (AXIAL, (12, 0, 0), 0, 1),  # left of the patient: right of the picture
        (AXIAL, (0, -12, 0), -1, 0),  # anterior: top
        (CORONAL, (12, 0, 0), 0, 1),
        (CORONAL, (0, 0, 12), -1, 0),  # superior: top
        (SAGITTAL, (0, 12, 0), 0, 1),  # posterior: right
        (SAGITTAL, (0, 0, 12), -1, 0),
    ],
)
def test_cuts_are_in_radiological_convention(direction, plane, toward_mm, row, column):
    half = np.array([25.0, 25.0, 25.0])
    grid = Grid((51, 51, 51), (1.0, 1.0, 1.0), tuple(-direction @ half), direction)
    cut = Cut(plane, plane.at(grid, np.zeros(3)))
    seen = cut.sample(sphere(toward_mm, 4.0, grid))
    offset = np.argwhere(np.nan_to_num(seen) > 0.5).mean(axis=0) - (np.asarray(seen.shape) - 1) / 2
    assert offset * cut.grid.spacing_mm[0] == pytest.approx([12 * row, 12 * column], abs=0.2)


def test_cuts_keep_millimetres_square():
    grid = Grid((20, 80, 60), (0.5, 0.5, 3.0), (0.0, 0.0, 0.0))
    ball = sphere((15.0, 20.0, 30.0), 10.0, grid)
    for cut in three(grid, (15.0, 20.0, 30.0)):
        disc = np.argwhere(np.nan_to_num(cut.sample(ball)) > 0.5)
        tall, wide = (np.ptp(disc, axis=0) + 1) * cut.grid.spacing_mm[0]
        assert tall == pytest.approx(20, abs=3)
        assert wide == pytest.approx(20, abs=3)
        assert cut.grid.extent_mm[0] == pytest.approx({"R": 30, "A": 40}[cut.plane.letters[0]], abs=0.2)


def test_headings_say_where_a_cut_lies():
    assert [cut.place for cut in three(GRID, (-12.0, -5.0, 7.0))] == [
        "Axial, S 7 mm",
        "Coronal, A 5 mm",
        "Sagittal, R 12 mm",
    ]


def test_cuts_go_through_the_gland():
    assert centre_of(GRID_VOLUME, sphere((4.0, -6.0, 2.0))) == pytest.approx([4.0, -6.0, 2.0])
    assert centre_of(GRID_VOLUME) == pytest.approx(GRID.centre_mm)


def test_window_leaves_the_background_out():
    array = np.zeros(GRID.shape, np.float32)
    array[10:20] = np.linspace(100, 200, 10)[:, None, None]
    window = Window.of(Volume(array, GRID))
    assert window.low == pytest.approx(100, abs=1)
    assert window.high == pytest.approx(200, abs=1)
    assert window(np.array([np.nan, 0.0, 150.0, 999.0])) == pytest.approx([0, 0, 0.5, 1], abs=0.01)
    assert np.isfinite(Window.of(Volume(0 * array, GRID))(array)).all()


def test_overlay_shows_where_mr_lies():
    # TRUS is uniform, so all orange is MR; in the upper row it lies 14 mm to the patient's left
    trus = Volume(np.full(GRID.shape, 50.0, np.float32), GRID)
    before, after = sphere((14, 0, 0)), sphere((0, 0, 0))
    rgb = opened(pictures.overlay_cuts(trus, before, after, point_mm=(0, 0, 0)))
    height, width = rgb.shape[:2]
    axial_width = round((width - 0.54 * 130) * 60 / (60 + 60 + 50))
    found = []
    for rows in (slice(0, height // 2), slice(height // 2, height)):
        here = np.argwhere(orange(rgb[rows, : axial_width + 44]))
        assert len(here) > 1000
        found.append(here[:, 1].mean())
    assert found[0] - found[1] == pytest.approx(14 * axial_width / 60, abs=4)


def test_overlay_draws_both_glands():
    trus = Volume(np.full(GRID.shape, 50.0, np.float32), GRID)
    nothing = Volume(np.zeros(GRID.shape, np.float32), GRID)
    gland, shifted = sphere((0, 0, 0), 10), sphere((6, 0, 0), 10)
    without = opened(pictures.overlay_cuts(trus, nothing, nothing, point_mm=(0, 0, 0)))
    assert not blue(without).any()
    assert not orange(without).any()
    one = pictures.overlay_cuts(trus, nothing, nothing, gland)
    rgb = opened(one)
    assert blue(rgb).sum() > 1000
    assert not orange(rgb).any()
    both = opened(pictures.overlay_cuts(trus, nothing, nothing, gland, shifted, gland))
    assert orange(both).sum() > 500
    assert "Outlines" in one.caption


def test_checkerboard_has_both_images_in_squares():
    trus = Volume(np.full(GRID.shape, 50.0, np.float32), GRID)
    picture = pictures.checkerboard_cuts(trus, trus, trus, point_mm=(1, 1, 1), square_mm=5)
    rgb = opened(picture)
    assert "5 mm" in picture.caption
    tinted = (rgb[..., 0] > rgb[..., 2] + 40).mean()
    assert 0.3 < tinted < 0.55  # half of the panels


def test_deformation_measures_in_mm():
    trus = Volume(np.random.default_rng(0).uniform(0, 255, GRID.shape).astype(np.float32), GRID)
    u = np.zeros((*GRID.shape, 3), np.float32)
    u[..., 2] = 3.0
    u[10:30, 10:30, 10:30, 0] = 4.0
    picture = pictures.deformation_grid(trus, Volume(u, GRID))
    assert "at most 5.0 mm" in picture.caption
    rgb = opened(picture)
    assert blue(rgb).sum() > 5000


def test_filled_volume_cuts_where_a_frame_lies():
    # frames are bright, and only every fourth slice has one; the middle has none
    array = np.zeros(GRID.shape, np.float32)
    array[1::4] = np.random.default_rng(0).uniform(100, 200, array[1::4].shape)
    filled = np.where(array > 0, array, 150).astype(np.float32)
    rgb = opened(pictures.filled_volume(Volume(array, GRID), Volume(filled, GRID)))
    upper_axial = rgb[100 : rgb.shape[0] // 2 - 30, 60:400]
    assert upper_axial.mean() > 60


def test_other_sheets():
    rng = np.random.default_rng(0)
    us = Volume(rng.uniform(0, 255, GRID.shape).astype(np.uint8), GRID)
    mr = Volume(rng.uniform(0, 900, (20, 40, 40)).astype(np.int16), Grid((20, 40, 40), (1.0, 1.0, 3.0)))
    assert opened(pictures.three_cuts(mr)).std() > 10
    assert opened(pictures.translated_pair(mr, us, us, us)).std() > 10


def test_speckle_stays_light_and_keeps_its_outlines():
    grid = Grid((60, 110, 120), (0.6, 0.6, 0.8))
    speckle = Volume(np.random.default_rng(0).uniform(0, 255, grid.shape).astype(np.uint8), grid)
    gland = sphere(grid.centre_mm, 12.0, grid)
    picture = pictures.overlay_cuts(speckle, speckle, speckle, gland, gland, gland)
    assert len(picture.png) < 480_000  # nine of them, in base64, make 6 MB
    rgb = opened(picture)
    assert blue(rgb).sum() > 500
    assert (rgb[:, :3] == 255).all()  # the sheet is white


def test_pictures_are_the_same_each_time():
    assert pictures.three_cuts(GRID_VOLUME).png == pictures.three_cuts(GRID_VOLUME).png


def test_a_map_with_gaps():
    image = np.full((120, 400), np.nan)
    image[:, :300] = np.random.default_rng(0).uniform(0, 255, (120, 300))
    picture = charts.sagittal_map(image, 0.1, 0.2, [0.0, 3.0, -2.0, np.nan])
    assert opened(picture).std() > 10
    assert "tick" in picture.caption
    assert "tick" not in charts.sagittal_map(image, 0.1, 0.2).caption
    opened(charts.sagittal_map(np.full((20, 30), np.nan), 0.1, 0.2))


def test_positions_against_truth():
    positions, truth = np.array([0.0, 1.0, 2.0, np.nan]), np.array([0.0, 1.0, 3.5, 4.0])
    status = ["ok", "ok", "interpolated", "failed"]
    picture = charts.positions_over_time(positions, status, truth, [1.0, 0.9, 0.2, 0.0])
    opened(picture)
    assert "0.50 mm from it on average and 1.50 mm at most" in picture.caption
    assert "truth" not in charts.positions_over_time(positions, status).caption


def test_loss_curves_of_any_number():
    opened(charts.loss_curves({"total": [1.0, 0.5], "similarity": [], "smoothness": [3.0], "a": [1.0], "b": [2.0]}))
    opened(charts.loss_curves({}))
