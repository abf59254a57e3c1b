"""``register`` with each kind of network: what it leaves, and what it refuses."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk

from known_pair import gland, pair
from MR2USProLib.commands import register, registration_figures, warp
from MR2USProLib.commands.sections import registration_sections
from MR2USProLib.errors import InputError
from MR2USProLib.pipeline import pairing
from MR2USProLib.progress import Progress
from MR2USProLib.registration import transforms
from MR2USProLib.registration.anatomy_aware import AnatomyAware, AnatomyAwareSettings
from MR2USProLib.registration.finder import Found
from MR2USProLib.registration.quality import Ellipsoid, Glands
from MR2USProLib.registration.training import train
from MR2USProLib.registration.voxelmorph import VoxelMorph, VoxelMorphSettings
from MR2USProLib.volume import Grid, Volume
from MR2USProLib.weights import Weights, write_weights
from oblique_pair import initial
from registration_pair import shifted


@pytest.fixture
def files(tmp_path, monkeypatch):
    """A pair and its start, on a grid that is soon registered."""
    monkeypatch.setitem(pairing.SHAPES, "fast", (16, 16, 16))
    mr, us = pair()
    mr.write(tmp_path / "mr.nrrd")
    us.write(tmp_path / "us.nrrd")
    transforms.write_transform(tmp_path / "start.tfm", transforms.as_affine(initial()))
    return {
        "moving": tmp_path / "mr.nrrd",
        "fixed": tmp_path / "us.nrrd",
        "initial": str(tmp_path / "start.tfm"),
        "translation": "none",
        "preset": "fast",
    }


def weights(tmp_path, method):
    part = train(method, [shifted()[0]]).part()
    write_weights(tmp_path / "weights.safetensors", Weights({"registration": part}))
    return tmp_path / "weights.safetensors"


def test_a_trained_network_is_refined_and_its_uncertainty_told(files, tmp_path):
    path = weights(tmp_path, AnatomyAware(AnatomyAwareSettings(iterations=2, channels=(4, 8))))
    scored, record = register.run(out=tmp_path / "out", weights=path, **files)
    spread = Volume.read(tmp_path / "out" / "uncertainty.nrrd")
    middle = tuple(slice(n // 4, n - n // 4) for n in spread.grid.shape)  # nobody looked for the gland
    valid = scored.registration.pair.valid[middle]
    assert spread.grid == scored.registration.pair.us.grid
    assert np.all(spread.array >= 0)
    told = json.loads((tmp_path / "out" / "metrics.json").read_text())["uncertainty"]
    assert told["mean_mm"] == pytest.approx(spread.array[middle][valid].mean(), rel=1e-4)
    assert told["p95_mm"] == pytest.approx(np.percentile(spread.array[middle][valid], 95), rel=1e-4)
    assert len(scored.registration.fitted.history["total"]) == 30
    assert "weights" in record.as_dict()["inputs"]
    assert "how loosely the pictures hold it" in (tmp_path / "out" / "report.html").read_text("utf-8")

    there = spread.grid.to_world([[3, 4, 5], [3.5, 4, 5], [-50, 0, 0]])
    targets = transforms.map_points(there, scored.registration.transform)
    warp.write_points(tmp_path / "targets.csv", ["one", "two", "far"], targets)
    told = {}
    for name in ("transform.h5", "transform_undeformed.h5"):  # the start is not what it is the uncertainty of
        warp.run(out=tmp_path / name, transform=tmp_path / "out" / name, points=tmp_path / "targets.csv")
        with (tmp_path / name / "points.csv").open(newline="") as stream:
            told[name] = [row.get("uncertainty_mm") for row in csv.DictReader(stream)]
    assert [float(value) for value in told["transform.h5"][:2]] == pytest.approx(
        [spread.array[5, 4, 3], spread.array[5, 4, 3:5].mean()], abs=2e-3
    )
    assert told["transform.h5"][2] == ""
    assert told["transform_undeformed.h5"] == [None] * 3


def test_a_trained_network_can_be_taken_as_it_is(files, tmp_path):
    path = weights(tmp_path, VoxelMorph(VoxelMorphSettings(iterations=2)))
    files |= {"registration": "voxelmorph", "weights": path, "refine": False}
    scored, _ = register.run(out=tmp_path / "out", **files)
    assert scored.registration.fitted.history == {}
    names = {found.name for found in (tmp_path / "out").iterdir()}
    assert {"warped.nrrd", "transform.h5", "transform_undeformed.h5", "report.html"} <= names
    undeformed = transforms.read_transform(tmp_path / "out" / "transform_undeformed.h5")
    corner = [[-20.0, 5.0, 30.0]]
    assert transforms.map_points(corner, undeformed) == pytest.approx(transforms.map_points(corner, initial()))
    assert "uncertainty.nrrd" not in names
    with pytest.raises(InputError, match="hold voxelmorph for the registration, not fsdiffreg"):
        register.run(out=tmp_path / "other", **files | {"registration": "fsdiffreg"})
    assert not (tmp_path / "other").exists()


def test_a_deformation_that_parts_the_glands_is_doubted_in_figures_and_report(files, tmp_path):
    """The same transform before and after but for a field of 12 mm, with both glands seen where the start lays them."""
    path = weights(tmp_path, VoxelMorph(VoxelMorphSettings(iterations=2)))
    files |= {"registration": "voxelmorph", "weights": path, "refine": False}
    scored, _ = register.run(out=tmp_path / "out", **files)
    result = scored.registration
    assert scored.metrics["quality"]["overlap_after"] is None
    start, centre = result.pair.initial, np.array(result.pair.us.grid.centre_mm)
    gland = Ellipsoid(centre, np.diag([12.0, 12.0, 12.0]))
    glands = Glands(gland.moved(transforms.as_affine(start)), gland)
    assert registration_figures.quality_of(result, Found(start, start, 0.9, True, 0.0, glands), 0.0).doubts == ()

    off = np.broadcast_to(np.float32([12, 0, 0]), (*result.pair.us.grid.shape, 3))
    away = transforms.composite(start, Volume(off, result.pair.us.grid), scored.us.grid)
    parted = replace(result, transform=away)
    found = registration_figures.quality_of(parted, Found(start, start, 0.9, True, 0.0, glands), 0.0)
    assert "parts the glands" in found.doubts[0]
    metrics = {**scored.metrics, "quality": found.as_dict()}
    text = registration_sections(replace(scored, metrics=metrics))[0].text
    assert any("parts the glands" in sentence for sentence in text)
    assert any("transform_undeformed.h5" in sentence for sentence in text)


def test_the_volume_is_held_by_its_option(files, tmp_path):
    path = weights(tmp_path, AnatomyAware(AnatomyAwareSettings(iterations=1, channels=(4, 8))))
    scored, record = register.run(out=tmp_path / "out", incompressible=True, weights=path, **files)
    assert len(scored.registration.fitted.history["volume"]) == 30
    assert record.as_dict()["parameters"]["incompressible"] is True


@pytest.mark.parametrize(
    ("name", "changed", "says"),
    [
        ("us", lambda array: np.full_like(array, 7), "us.nrrd has one value everywhere"),
        ("mr", lambda array: np.stack(3 * [array], axis=-1), "mr.nrrd has colours"),
        ("us", lambda array: np.stack(3 * [array], axis=-1), "us.nrrd has colours"),
        ("us", lambda array: array[:2], "us.nrrd is too thin"),
        ("mr", lambda array: np.where(array == array.max(), np.nan, array), "mr.nrrd holds voxels that are no numbers"),
    ],
)
def test_what_shows_no_volume_is_refused_in_a_sentence(files, tmp_path, name, changed, says):
    volume = Volume.read(tmp_path / f"{name}.nrrd")
    array = changed(volume.array)
    grid = Grid(array.shape[:3], volume.grid.spacing_mm, volume.grid.origin_mm, volume.grid.direction)
    Volume(array, grid).write(tmp_path / f"{name}.nrrd")
    with pytest.raises(InputError, match=says):
        register.run(out=tmp_path / "out", **files)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("region", "says"),
    [
        ((10.0, 0.0, -30.0, 10.4, 0.4, -29.6), "too small for a gland: give a larger --fixed-roi"),
        ((float("nan"), 0.0, 0.0, 9.0, 9.0, 9.0), "not six numbers"),
    ],
)
def test_a_box_that_holds_no_gland_is_refused_in_a_sentence(files, tmp_path, region, says):
    with pytest.raises(InputError, match=says):
        register.run(out=tmp_path / "out", **files, fixed_roi=region, find_glands=False)
    drawn = (-30.0, -30.0, -30.0, 30.0, 30.0, 30.0)
    with pytest.raises(InputError, match=says.replace("fixed", "moving")):
        register.run(out=tmp_path / "out", **files, fixed_roi=drawn, moving_roi=region)


def test_a_volume_in_centimetres_is_refused_in_a_sentence(files, tmp_path):
    us = Volume.read(files["fixed"])
    grid = Grid(us.grid.shape, np.divide(us.grid.spacing_mm, 20), us.grid.origin_mm, us.grid.direction)
    Volume(us.array, grid).write(files["fixed"])
    with pytest.raises(InputError, match="whose lengths have to be in mm"):
        register.run(out=tmp_path / "out", **files)


def test_the_report_says_what_moved_the_mr_where_the_pictures_did_not(files, tmp_path):
    mr, us = Volume.read(files["moving"]), Volume.read(files["fixed"])
    noise = np.random.default_rng(1).integers(1, 255, us.array.shape).astype(np.uint8)
    Volume(noise, us.grid).write(files["fixed"])
    centre = np.array(us.grid.centre_mm)
    for name, grid, middle in (("moving", mr.grid, initial().TransformPoint(centre)), ("fixed", us.grid, centre)):
        mask = gland(grid, np.array(middle)) & (grid.points()[..., 0] < middle[0] + 8)  # cut, so that shapes differ
        Volume(mask.astype(np.uint8), grid).write(tmp_path / f"{name}.nrrd")
        files[f"{name}_mask"] = tmp_path / f"{name}.nrrd"
    scored, _ = register.run(out=tmp_path / "out", **files)
    assert not scored.metrics["structure"]["followed"]
    assert scored.metrics["deformation"]["mean_mm"] > 0.1
    text = " ".join(registration_sections(scored)[0].text)
    assert "only what was drawn and marked in both images did" in text
    assert "stays where" not in text
    unguided = {name: of for name, of in scored.metrics.items() if name != "guidance"}
    text = " ".join(registration_sections(replace(scored, metrics=unguided))[0].text)
    assert "the MR stays where the start brought it" in text


def test_labels_that_do_not_match_are_told_before_the_work(files, tmp_path):
    grid = Volume.read(files["fixed"]).grid
    masks = [sitk.Cast(Volume(gland(grid, grid.centre_mm), grid).to_sitk(), sitk.sitkUInt8)] * 3
    for name, channels in (("moving_label", 3), ("fixed_label", 2)):
        files[name] = tmp_path / f"{name}.nrrd"
        sitk.WriteImage(sitk.JoinSeries(masks[:channels]), str(files[name]))
    told = []
    with pytest.raises(InputError, match="The labels do not match"):
        register.run(out=tmp_path / "out", progress=Progress(lambda *step: told.append(step)), **files)
    assert not told


def test_a_start_that_brings_the_box_beside_the_mr_is_what_is_told(files, tmp_path):
    middle = np.array(Volume.read(files["fixed"]).grid.centre_mm)
    transforms.write_transform(tmp_path / "far.tfm", sitk.TranslationTransform(3, (500.0, 0.0, 0.0)))
    files |= {"initial": str(tmp_path / "far.tfm"), "fixed_roi": (*(middle - 15), *(middle + 15))}
    with pytest.raises(InputError, match="start from another pose with --initial"):
        register.run(out=tmp_path / "out", **files)
    files |= {"moving_roi": (900.0, 900.0, 900.0, 950.0, 950.0, 950.0)}
    with pytest.raises(InputError, match=r"region from \[900.0, 900.0, 900.0\] to .* lies outside the image"):
        register.run(out=tmp_path / "out", **files)
