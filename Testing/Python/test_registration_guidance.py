"""What the user drew or marked beforehand: the start from it, the surfaces that meet, and what is refused."""

import json

import numpy as np
import pytest
import SimpleITK as sitk

import known_pair
from MR2USProLib.commands import register
from MR2USProLib.errors import Cancelled, InputError
from MR2USProLib.evaluation.metrics import dice, folding
from MR2USProLib.pipeline import pairing
from MR2USProLib.progress import Progress
from MR2USProLib.registration import surfaces, transforms
from MR2USProLib.registration.anatomy_aware import AnatomyAware, AnatomyAwareSettings
from MR2USProLib.registration.guidance import Guidance, read_gland, read_guidance
from MR2USProLib.registration.pair import FittedDeformation
from MR2USProLib.registration.points import read_points
from MR2USProLib.registration.training import train
from MR2USProLib.registration.voxelmorph import VoxelMorph, VoxelMorphSettings
from MR2USProLib.volume import Grid, Volume
from MR2USProLib.weights import Weights, write_weights
from oblique_pair import initial, rotation
from registration_pair import shifted
from small_cohort import LANDMARKS_MM

RADII_MM = np.array([22.0, 16.0, 18.0])


def ellipsoid(radii_mm, centre_mm=(0, 0, 0), turn=None, spacing_mm=(1.0, 1.0, 1.0)):
    """A mask, in a world in which it lies turned about its middle."""
    turn = np.eye(3) if turn is None else turn
    size = np.ceil(64 / np.array(spacing_mm)).astype(int)
    grid = Grid(tuple(size[::-1]), spacing_mm, (0, 0, 0))
    grid = Grid(grid.shape, spacing_mm, tuple(np.array(centre_mm) - grid.centre_mm))
    inside = (grid.points() - centre_mm) @ turn / np.array(radii_mm)
    return Volume((inside**2).sum(axis=-1) < 1, grid)


def rigid(turn, shift_mm=(0, 0, 0)):
    transform = sitk.AffineTransform(3)
    transform.SetMatrix(np.asarray(turn, float).ravel().tolist())
    transform.SetTranslation(tuple(map(float, shift_mm)))
    return transform


def still(grid):
    zeros = np.zeros((*grid.shape, 3), np.float32)
    return FittedDeformation(zeros, zeros)


def whole(found, grid, start):
    return transforms.composite(start, Volume(grid.voxels_to_mm(found.displacement), grid), grid)


@pytest.fixture
def drawn():
    """The known pair's glands, landmarks, truth and the grid that is registered."""
    grid, there = known_pair.trus_grid(), known_pair.truth(3.0)
    mr, _us = known_pair.pair(3.0)
    centre = transforms.map_points(grid.centre_mm, there)
    moving = Volume(known_pair.gland(mr.grid, centre), mr.grid)
    fixed = transforms.warp(Volume(moving.array.astype(np.uint8), mr.grid), grid, there, label=True)
    points = centre + np.array(LANDMARKS_MM)
    marks = transforms.inverse_points(points, there)
    return Guidance(moving, Volume(fixed.array > 0, grid)), points, marks, there, grid


def test_the_start_lays_middle_on_middle_and_scales_without_turning():
    turn = rotation(0.1, -0.2, 0.3)
    guidance = Guidance(ellipsoid(1.2 * RADII_MM, (5, -3, 40), turn), ellipsoid(RADII_MM))
    start = guidance.start(rigid(turn))
    assert np.allclose(np.reshape(start.GetMatrix(), (3, 3)), 1.2 * turn, atol=0.01)
    assert np.allclose(start.TransformPoint((0.0, 0.0, 0.0)), (5, -3, 40), atol=0.05)


def test_half_of_a_change_of_shape_is_followed():
    guidance = Guidance(ellipsoid((24, 16, 12)), ellipsoid((16, 16, 18)))
    matrix = np.reshape(guidance.start(rigid(np.eye(3))).GetMatrix(), (3, 3))
    axes = np.array([24 / 16, 1, 12 / 18])
    assert np.allclose(matrix, np.diag(np.sqrt(axes)), atol=0.02)  # the product of the axes is 1: no change of volume


def test_landmarks_turn_the_start():
    turn = rotation(0.0, 0.3, 0.0)
    here = np.array([[15.0, 0, 10], [-15, 0, -10], [0, 12, 8], [3, -12, -8]])
    start = Guidance(moving_points_mm=here @ turn.T + 7, fixed_points_mm=here).start(rigid(np.eye(3)))
    found = np.reshape(start.GetMatrix(), (3, 3))
    assert np.linalg.norm(found - turn) < 0.5 * np.linalg.norm(np.eye(3) - turn)
    one = Guidance(moving_points_mm=here[:1] + 7, fixed_points_mm=here[:1]).start(rigid(turn))
    assert np.allclose(one.TransformPoint(here[0].tolist()), here[0] + 7)
    assert np.allclose(np.reshape(one.GetMatrix(), (3, 3)), turn)


def test_distances_are_millimetres_on_coarse_slices_and_end_at_no_cut():
    gland = ellipsoid((20, 20, 20), spacing_mm=(1.0, 1.0, 3.0))
    far = surfaces.signed_distance_mm(gland)
    r = np.linalg.norm(far.grid.points(), axis=-1)
    near = np.abs(r - 20) < 4
    assert np.abs(far.array[near] - (r - 20)[near]).mean() < 0.6
    grid = gland.grid
    half = Volume(
        gland.array[: grid.shape[0] // 2], Grid((grid.shape[0] // 2, *grid.shape[1:]), grid.spacing_mm, grid.origin_mm)
    )
    cut = surfaces.signed_distance_mm(half).resampled(half.grid)
    assert cut.array[-1, 32, 32] < -9


def test_surfaces_meet_from_a_poor_start_and_nothing_folds(drawn):
    guidance, _points, marks, _, grid = drawn
    start = guidance.start(transforms.as_affine(initial()))
    found = surfaces.led(still(grid), grid, start, guidance)
    gland = Volume(guidance.moving_gland.array.astype(np.float32), guidance.moving_gland.grid)
    before, after = (
        dice(Volume(gland.resampled(grid, t).array > 0.5, grid), guidance.fixed_gland)
        for t in (start, whole(found, grid, start))
    )
    assert after > max(before, 0.96)
    assert folding(transforms.displacement_on(grid, whole(found, grid, start))).fraction == 0
    inside = grid.to_index(marks)
    there = inside + surfaces._at(found.displacement, inside)
    assert np.abs(there + surfaces._at(found.inverse, there) - inside).max() < 0.1


def test_places_inside_are_met_better_with_masks_and_better_still_with_landmarks(drawn):
    guidance, points, marks, there, grid = drawn
    poor = sitk.AffineTransform(transforms.as_affine(initial()))
    poor.SetTranslation((np.array(poor.GetTranslation()) + (4.0, -3.0, 5.0)).tolist())
    poor.Rotate(0, 1, 0.15)
    inside = grid.points()[guidance.fixed_gland.array][::50]

    def error(transform):
        return np.linalg.norm(
            transforms.map_points(inside, transform) - transforms.map_points(inside, there), axis=1
        ).mean()

    def guided(known):
        start = known.start(poor)
        return whole(surfaces.led(still(grid), grid, start, known), grid, start)

    marked = Guidance(guidance.moving_gland, guidance.fixed_gland, points, marks)
    errors = [error(poor), error(guided(guidance)), error(guided(marked))]
    assert errors[1] < 0.6 * errors[0]
    assert errors[2] < 0.9 * errors[1]


def test_what_meets_already_is_left_alone():
    gland = ellipsoid(RADII_MM)
    found = surfaces.led(still(gland.grid), gland.grid, rigid(np.eye(3)), Guidance(gland, gland))
    assert np.abs(found.displacement).max() < 0.02
    nothing = still(gland.grid)
    assert surfaces.led(nothing, gland.grid, rigid(np.eye(3)), Guidance(gland)) is nothing


def test_landmarks_pull_softly_and_what_a_network_found_is_kept_elsewhere(drawn):
    _guidance, points, marks, _there, grid = drawn
    start = transforms.as_affine(initial())
    shift = np.tile(np.float32([1.0, -0.5, 0.5]), (*grid.shape, 1))
    before = FittedDeformation(shift, -shift)
    wanted = Guidance(moving_points_mm=points[:1], fixed_points_mm=marks[:1])
    found = surfaces.led(before, grid, start, wanted)
    off = [np.linalg.norm(transforms.map_points(marks[0], whole(f, grid, start)) - points[0]) for f in (before, found)]
    assert off[1] < 0.45 * off[0]
    assert np.abs(found.displacement - shift)[0, 0, 0].max() < 0.25 * np.abs(found.displacement - shift).max()


def test_a_landmark_that_is_far_off_does_not_drag_its_neighbours():
    """One that was marked at the wrong place pulls no harder, the farther off it is."""
    grid = ellipsoid(RADII_MM, spacing_mm=(2.0, 2.0, 2.0)).grid
    marks = np.array([[0.0, 0, 0], [14, 0, 0], [-14, 0, 0], [0, 14, 0], [0, -14, 0], [0, 0, 14], [0, 0, -14]])

    def moved_mm(off_mm):
        points = marks + off_mm * (np.arange(len(marks)) == 0)[:, None] * [0.0, 0.6, 0.8]
        guidance = Guidance(moving_points_mm=points, fixed_points_mm=marks)
        found = surfaces.led(still(grid), grid, rigid(np.eye(3)), guidance)
        return np.linalg.norm(transforms.map_points(marks, whole(found, grid, rigid(np.eye(3)))) - marks, axis=1)

    far = moved_mm(30.0)
    assert far[1:].max() < 1
    np.testing.assert_allclose(far, moved_mm(15.0), rtol=0.01)
    assert far[0] > 1.5 * moved_mm(3.0)[0]  # below that distance it is followed the more, the farther off it is


def test_cancelling_is_heard():
    gland = ellipsoid(RADII_MM)
    with pytest.raises(Cancelled):
        surfaces.led(
            still(gland.grid), gland.grid, rigid(np.eye(3)), Guidance(gland, gland), Progress(cancelled=lambda: True)
        )


@pytest.fixture
def files(tmp_path, monkeypatch, drawn):
    """A pair without any alignment, and what was drawn in both images."""
    monkeypatch.setitem(pairing.SHAPES, "fast", (16, 24, 24))
    guidance, points, marks, _, _ = drawn
    mr, us = known_pair.pair(3.0)
    mr.write(tmp_path / "mr.nrrd")
    us.write(tmp_path / "us.nrrd")
    guidance.moving_gland.write(tmp_path / "mr_mask.nrrd")
    guidance.fixed_gland.write(tmp_path / "us_mask.nrrd")
    for name, places in (("mr", points), ("us", marks)):
        rows = [f"p{n},{x:.4f},{y:.4f},{z:.4f}" for n, (x, y, z) in enumerate(places)]
        (tmp_path / f"{name}_points.csv").write_text("\n".join(["name,x,y,z", *rows]))
    transforms.write_transform(tmp_path / "start.tfm", transforms.as_affine(initial()))
    return {
        "moving": tmp_path / "mr.nrrd",
        "fixed": tmp_path / "us.nrrd",
        "initial": str(tmp_path / "start.tfm"),
        "translation": "none",
        "preset": "fast",
    }


def masks(tmp_path):
    return {"moving_mask": tmp_path / "mr_mask.nrrd", "fixed_mask": tmp_path / "us_mask.nrrd"}


def labels(tmp_path):
    return {"moving_label": tmp_path / "mr_mask.nrrd", "fixed_label": tmp_path / "us_mask.nrrd"}


def marked(tmp_path):
    return {"moving_points": tmp_path / "mr_points.csv", "fixed_points": tmp_path / "us_points.csv"}


def test_surfaces_alone_register_a_pair_and_say_what_guided(files, tmp_path):
    scored, record = register.run(
        out=tmp_path / "out",
        registration="surfaces",
        **files,
        **masks(tmp_path),
        **marked(tmp_path),
        **labels(tmp_path),
    )
    told = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert told["guidance"]["masks"] == ["moving", "fixed"]
    assert told["guidance"]["points"] == 3
    assert told["guidance"]["points_mean_mm"] < 2
    assert told["after"]["dsc"] > max(0.97, told["before"]["dsc"])
    assert told["deformation"]["folding"]["fraction"] == 0
    assert {"moving_mask", "fixed_points"} <= set(record.as_dict()["inputs"])
    assert "no proof of it" in (tmp_path / "out" / "report.html").read_text("utf-8")
    written = transforms.read_transform(tmp_path / "out" / "transform.h5")
    off = (
        transforms.map_points(read_points(tmp_path / "us_points.csv")[1], written)
        - read_points(tmp_path / "mr_points.csv")[1]
    )
    assert np.linalg.norm(off, axis=1).mean() == pytest.approx(told["guidance"]["points_mean_mm"], abs=1e-3)
    assert scored.registration.fitted.history == {}


@pytest.mark.parametrize(
    "method",
    [
        AnatomyAware(AnatomyAwareSettings(iterations=2, channels=(4, 8), learning_rate=0.1)),
        VoxelMorph(VoxelMorphSettings(iterations=2)),
    ],
)
def test_masks_have_the_last_word_behind_every_network(files, tmp_path, method):
    part = train(method, [shifted()[0]]).part()
    write_weights(tmp_path / "weights.safetensors", Weights({"registration": part}))
    options = {"registration": method.name, "weights": tmp_path / "weights.safetensors", "refine": False}
    scored, _ = register.run(out=tmp_path / "out", **options, **files, **masks(tmp_path), **labels(tmp_path))
    assert scored.metrics["after"]["dsc"] > 0.95
    assert scored.metrics["deformation"]["folding"]["fraction"] == 0


def test_a_mask_of_one_gland_is_its_box(files, tmp_path):
    scored, _record = register.run(
        out=tmp_path / "out", registration="surfaces", fixed_mask=tmp_path / "us_mask.nrrd", **files, **marked(tmp_path)
    )
    assert scored.metrics["guidance"]["masks"] == ["fixed"]
    assert "start" in scored.metrics  # glands were looked for in its box
    assert "stood in for the box" in (tmp_path / "out" / "report.html").read_text("utf-8")


def test_what_cannot_guide_is_refused_in_a_sentence(files, tmp_path):
    def refused(says, **options):
        with pytest.raises(InputError, match=says) as caught:
            register.run(out=tmp_path / "out", **files, registration="surfaces", **options)
        assert str(caught.value).count(". ") == 0
        assert not (tmp_path / "out").exists()

    refused("needs something to go by")
    refused("A mask of the MR alone", moving_mask=tmp_path / "mr_mask.nrrd")
    refused("in one image alone", moving_points=tmp_path / "mr_points.csv")
    few = tmp_path / "few.csv"
    few.write_text("name,x,y,z\na,1,2,3\n")
    refused("3 points in the MR and 1 in the TRUS", moving_points=tmp_path / "mr_points.csv", fixed_points=few)
    refused("lies outside the region", **masks(tmp_path), moving_points=few, fixed_points=_far(tmp_path))
    refused("looks like an image", **masks(tmp_path) | {"fixed_mask": tmp_path / "us.nrrd"})
    empty = Volume(np.zeros((4, 4, 4), np.uint8), Grid((4, 4, 4)))
    empty.write(tmp_path / "empty.nrrd")
    refused("is empty", **masks(tmp_path) | {"fixed_mask": tmp_path / "empty.nrrd"})


def _far(tmp_path):
    (tmp_path / "far.csv").write_text("name,x,y,z\na,900,900,900\n")
    return tmp_path / "far.csv"


def test_points_of_slicer_and_tables_are_read_alike(tmp_path):
    (tmp_path / "a.csv").write_text("name,x,y,z\nF-1,1,2,3\nF-2,4,5,6\n")
    point = [
        {"label": f"F-{n}", "position": p, "positionStatus": "defined"} for n, p in ((1, [-1, -2, 3]), (2, [-4, -5, 6]))
    ]
    left = {"label": "F-3", "position": [0, 0, 0], "positionStatus": "undefined"}
    content = {"markups": [{"type": "Fiducial", "coordinateSystem": "RAS", "controlPoints": [*point, left]}]}
    (tmp_path / "a.mrk.json").write_text(json.dumps(content))
    for name, separator in (("semicolons.csv", ";"), ("tabs.csv", "\t")):  # as spreadsheets write it
        table = "\ufeffname,x,y,z\r\nF-1,1,2,3\r\nF-2,4,5,6\r\n".replace(",", separator)
        (tmp_path / name).write_bytes(table.encode())
    (tmp_path / "marked.mrk.json").write_text("\ufeff" + json.dumps(content), "utf-8")
    for name in ("a.csv", "semicolons.csv", "tabs.csv", "a.mrk.json", "marked.mrk.json"):
        names, places = read_points(tmp_path / name)
        assert names == ["F-1", "F-2"]
        assert np.allclose(places, [[1, 2, 3], [4, 5, 6]])
    (tmp_path / "old.csv").write_bytes("name,x,y,z\nä,1,2,3\n".encode("latin1"))
    with pytest.raises(InputError, match="CSV file in UTF-8"):
        read_points(tmp_path / "old.csv")
    (tmp_path / "b.mrk.json").write_text("{}")
    with pytest.raises(InputError, match="is not a list of points"):
        read_points(tmp_path / "b.mrk.json")
    (tmp_path / "folder.mrk.json").mkdir()
    with pytest.raises(InputError, match="does not exist"):
        read_points(tmp_path / "folder.mrk.json")


def test_decimal_commas_are_read_and_a_comma_too_many_is_refused(tmp_path):
    """A coordinate that moved into the next column would be a target at another place."""
    (tmp_path / "german.csv").write_text("name ; x ; y ; z \na, b;1,5;-2,25;3\n;;;\n")
    names, places = read_points(tmp_path / "german.csv")
    assert names == ["a, b"]
    assert places.tolist() == [[1.5, -2.25, 3.0]]
    for text, says in (
        ("name,x,y,z\na,1,5,-2,25,3,0\n", "line 2 of bad.csv has not as many values"),
        ("name,x,x,y,z\na,1,2,3,4\n", "the column x twice"),
        ("name,x,y,z,side,side\na,1,2,3,left,right\n", "the column side twice"),
    ):
        (tmp_path / "bad.csv").write_text(text)
        with pytest.raises(InputError, match=says):
            read_points(tmp_path / "bad.csv")


@pytest.mark.parametrize("points", [["a"], [{"position": [10**400, 0, 0]}], [{"position": None}]])
def test_markups_of_another_kind_are_refused(tmp_path, points):
    (tmp_path / "a.mrk.json").write_text(json.dumps({"markups": [{"controlPoints": points}]}))
    with pytest.raises(InputError, match="is not a list of points"):
        read_points(tmp_path / "a.mrk.json")


def test_the_first_channel_or_all_that_is_not_0_is_the_gland(tmp_path):
    zones = np.zeros((6, 8, 8), np.uint8)
    zones[1:5, 1:7, 1:4], zones[1:5, 1:7, 4:7] = 1, 2
    sitk.WriteImage(sitk.GetImageFromArray(zones), str(tmp_path / "zones.nrrd"))
    assert np.array_equal(read_gland(tmp_path / "zones.nrrd").array, zones > 0)
    masks = sitk.JoinSeries([sitk.GetImageFromArray((zones == n).astype(np.uint8)) for n in (2, 1)])
    sitk.WriteImage(masks, str(tmp_path / "masks.nii.gz"))
    assert np.array_equal(read_gland(tmp_path / "masks.nii.gz").array, zones == 2)
    assert not read_guidance().leads
    drawn = (zones > 0).astype(np.float32)
    drawn[0, 0, 0] = np.nan  # neither in nor out
    sitk.WriteImage(sitk.GetImageFromArray(drawn), str(tmp_path / "drawn.nrrd"))
    with pytest.raises(InputError, match="looks like an image"):
        read_gland(tmp_path / "drawn.nrrd")
