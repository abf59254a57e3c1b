"""Reconstruction step by step through the commands, as a panel runs it, beside the whole at once."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from MR2USProLib.commands import fill, inspect, read, reconstruct, stitch
from MR2USProLib.errors import InputError
from MR2USProLib.video.exam import read_stack, write_stack
from MR2USProLib.volume import Volume
from phantom_exam import phantom_exam
from scanner_screen import Screen, write_video

ENGINE = Path(__file__).parents[2] / "MR2USPro"
SCREEN = Screen(transverse_at=(20, 60), sagittal_at=(362, 70), size=(720, 400))
EXCLUDED, PINNED = [3, 17], {10: 21.5}
SPACING = (0.21, 0.19)


@pytest.fixture(scope="module")
def exam(tmp_path_factory) -> Path:
    """A folder with an exam, smaller than it was taken, in two files and in one."""
    folder = tmp_path_factory.mktemp("exam")
    taken = phantom_exam()
    sagittal, transverse = taken.sagittal[:, 20:180], taken.transverse[:, ::2, ::2]
    write_stack(folder / "sagittal.mha", sagittal, (0.19, 0.19))
    write_stack(folder / "transverse.mha", transverse, (0.4, 0.4))
    write_stack(folder / "screen.nrrd", SCREEN.pictures(taken.sagittal, taken.transverse), SPACING)
    return folder


@pytest.fixture(scope="module")
def steps(exam, tmp_path_factory):
    """The folders of the steps, and what each step said."""
    folder = tmp_path_factory.mktemp("steps")
    said = {
        "read": read.run(
            out=folder / "read", sagittal=str(exam / "sagittal.mha"), transverse=str(exam / "transverse.mha")
        ),
        "stitch": stitch.run(
            out=folder / "stitch",
            sagittal=str(folder / "read" / "sagittal.nrrd"),
            matcher="orb",
            excluded=EXCLUDED,
            pinned={str(frame): position for frame, position in PINNED.items()},
        ),
        "fill": fill.run(
            out=folder / "fill",
            transverse=str(folder / "read" / "transverse.nrrd"),
            positions=str(folder / "stitch" / "positions.csv"),
            sagittal_row_mm=0.19,
            method="linear",
            voxel_mm=2.0,
            seed=3,
            device="cpu",
        ),
    }
    return folder, said


def test_reading_changes_no_grey_level_and_no_spacing(exam, steps):
    folder, said = steps
    for view, spacing in (("sagittal", 0.19), ("transverse", 0.4)):
        stack, spacing_mm = read_stack(folder / "read" / f"{view}.nrrd")
        np.testing.assert_array_equal(stack, sitk.GetArrayFromImage(sitk.ReadImage(str(exam / f"{view}.mha"))))
        assert spacing_mm == (spacing, spacing)
        assert said["read"][f"{view}_spacing_mm"] == [spacing, spacing]
        assert said["read"][f"{view}_size_px"] == [stack.shape[2], stack.shape[1]]
    assert said["read"]["frames"] == 24


def test_the_steps_make_what_reconstruct_makes_byte_for_byte(exam, steps, tmp_path):
    folder, said = steps
    _, _, record = reconstruct.run(
        out=tmp_path / "whole",
        sagittal=exam / "sagittal.mha",
        transverse=exam / "transverse.mha",
        matcher="orb",
        excluded=EXCLUDED,
        pinned=PINNED,
        fill="linear",
        voxel_mm=2.0,
        seed=3,
        device="cpu",
    )
    for step, names in (
        ("stitch", ("positions.csv", "sagittal_map.nrrd", "sagittal_map.png")),
        ("fill", ("trus_sparse.nrrd", "trus_measured.nrrd", "trus.nrrd")),
    ):
        for name in names:
            assert (tmp_path / "whole" / name).read_bytes() == (folder / step / name).read_bytes(), name
    assert {**said["stitch"], **said["fill"], "notes": said["read"]["notes"]} == {
        **record.results,
        "frame_planes": said["fill"]["frame_planes"],
    }


def test_what_the_steps_say_is_plain_json_and_true(steps):
    folder, said = steps
    for found in said.values():
        assert json.loads(json.dumps(found, allow_nan=False)) == found
    with (folder / "stitch" / "positions.csv").open() as file:
        rows = list(csv.DictReader(file))
    counted = {name: sum(row["status"] == name for row in rows) for name in ("ok", "interpolated", "rejected")}
    assert said["stitch"]["frames_by_status"] == counted
    assert {int(row["frame"]) for row in rows if row["status"] == "rejected"} == set(EXCLUDED)
    assert float(rows[10]["position_mm"]) == PINNED[10]
    assert said["stitch"]["verdict"]["level"] in ("good", "check", "bad")
    assert not {suspect["frame"] for suspect in said["stitch"]["suspects"]} & set(EXCLUDED)
    assert said["fill"]["filling"]["sentence"].startswith("On ")
    assert said["fill"]["volume_spacing_mm"] == [2.0, 2.0, 2.0]


def test_frame_planes_lie_in_the_volume_where_the_frames_were_placed(steps):
    folder, said = steps
    planes, trus = said["fill"]["frame_planes"], Volume.read(folder / "fill" / "trus_sparse.nrrd")
    assert (planes["width_mm"], planes["height_mm"]) == pytest.approx((160 * 0.4, 143 * 0.4))
    low, high = trus.grid.corners().min(axis=0), trus.grid.corners().max(axis=0)
    left, front = planes["x0_mm"], planes["y0_mm"]
    assert (left, left + planes["width_mm"]) == pytest.approx((low[0], high[0]), abs=1.01)
    assert (front - planes["height_mm"], front) == pytest.approx((low[1], high[1]), abs=1.01)
    assert len(planes["frames"]) == len(planes["z_mm"]) == 22
    written = np.flatnonzero(trus.array.any(axis=(1, 2)))
    nearest = [round(float(trus.grid.to_index([0, 0, z])[2])) for z in planes["z_mm"]]
    assert sorted(set(nearest)) == written.tolist()


def test_inspecting_a_screen_shows_the_first_picture_and_both_views(exam, tmp_path):
    found = inspect.run(out=tmp_path, video=exam / "screen.nrrd")
    picture = Volume.of(sitk.ReadImage(str(tmp_path / "picture.nrrd")))
    np.testing.assert_array_equal(
        picture.array[0], sitk.GetArrayFromImage(sitk.ReadImage(str(exam / "screen.nrrd")))[0]
    )
    assert picture.grid.spacing_mm == (0.19, 0.21, 1.0)
    assert found["frames"] == 24
    assert found["size_px"] == [720, 400]
    assert found["spacing_mm"] == [0.21, 0.19]
    assert found["views_confidence"] == "high"
    sagittal, transverse = SCREEN.boxes(phantom_exam().sagittal, phantom_exam().transverse)
    np.testing.assert_allclose(found["sagittal_roi"], sagittal, atol=3)
    np.testing.assert_allclose(found["transverse_roi"], transverse, atol=3)
    assert json.loads(json.dumps(found)) == found

    cut = read.run(
        out=tmp_path / "read",
        video=exam / "screen.nrrd",
        sagittal_roi=found["sagittal_roi"],
        transverse_roi=found["transverse_roi"],
        spacing_mm=[0.3, 0.2],
    )
    by_itself = read.run(out=tmp_path / "itself", video=exam / "screen.nrrd", spacing_mm=[0.3, 0.2])
    assert by_itself["sagittal_roi"] == found["sagittal_roi"]
    assert by_itself["views_note"] == found["views_note"]
    assert cut["views_note"] is None
    for view in ("sagittal", "transverse"):
        assert cut[f"{view}_spacing_mm"] == [0.3, 0.2]
        assert cut[f"{view}_size_px"] == found[f"{view}_roi"][2:]
        name = f"{view}.nrrd"
        assert (tmp_path / "read" / name).read_bytes() == (tmp_path / "itself" / name).read_bytes()


def test_inspecting_a_video_says_that_its_spacing_is_not_known(tmp_path):
    taken = phantom_exam()
    pictures = np.concatenate([np.zeros((3, 400, 720), np.uint8), SCREEN.pictures(taken.sagittal, taken.transverse)])
    found = inspect.run(out=tmp_path / "out", video=write_video(tmp_path / "exam.mp4", pictures))
    assert found["spacing_mm"] is None
    assert "exam.mp4 is a video" in found["spacing_source"]
    assert found["frames"] == 27
    picture = Volume.of(sitk.ReadImage(str(tmp_path / "out" / "picture.nrrd")))
    assert picture.grid.spacing_mm == (1.0, 1.0, 1.0)
    assert np.abs(picture.array[0].astype(int) - pictures[3]).mean() < 4
    with pytest.raises(InputError, match="--spacing"):
        read.run(out=tmp_path / "read", video=tmp_path / "exam.mp4")
    assert not (tmp_path / "read").exists()


def test_inspecting_two_files_shows_both(exam, tmp_path):
    found = inspect.run(out=tmp_path / "out", sagittal=exam / "sagittal.mha", transverse=exam / "transverse.mha")
    assert (found["size_px"], found["transverse_size_px"]) == ([320, 160], [160, 143])
    assert (found["spacing_mm"], found["transverse_spacing_mm"]) == ([0.19, 0.19], [0.4, 0.4])
    assert found["sagittal_roi"] is found["transverse_roi"] is None
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["sagittal.nrrd", "transverse.nrrd"]
    write_stack(tmp_path / "short.mha", phantom_exam().transverse[:20], (0.2, 0.2))
    with pytest.raises(InputError, match=r"sagittal\.mha has 24 frames and short\.mha has 20"):
        inspect.run(out=tmp_path / "no", sagittal=exam / "sagittal.mha", transverse=tmp_path / "short.mha")
    with pytest.raises(InputError, match="one file"):
        inspect.run(out=tmp_path / "no", sagittal=exam / "sagittal.mha")
    assert not (tmp_path / "no").exists()


def test_steps_refuse_what_is_not_of_one_exam(steps, tmp_path):
    folder, _ = steps
    write_stack(tmp_path / "short.nrrd", phantom_exam().transverse[:20], (0.2, 0.2))
    positions = folder / "stitch" / "positions.csv"
    with pytest.raises(InputError, match=r"20 frames, but positions\.csv has positions of 24"):
        fill.run(out=tmp_path / "out", transverse=tmp_path / "short.nrrd", positions=positions, method="linear")
    with pytest.raises(InputError, match=r"trus_sparse\.nrrd is no stack"):
        stitch.run(out=tmp_path / "out", sagittal=folder / "fill" / "trus_sparse.nrrd")
    assert not (tmp_path / "out").exists()


def test_no_step_without_a_network_waits_for_torch(exam, steps, tmp_path):
    code = f"""
import sys
from pathlib import Path
from MR2USProLib.commands import fill, inspect, read, stitch
exam, out, done = Path({str(exam)!r}), Path({str(tmp_path)!r}), Path({str(steps[0])!r})
inspect.run(out=out, video=exam / "screen.nrrd")
read.run(out=out / "read", video=exam / "screen.nrrd")
fill.run(
    out=out / "fill",
    transverse=done / "read" / "transverse.nrrd",
    positions=done / "stitch" / "positions.csv",
    voxel_mm=2.0,
)
assert "torch" not in sys.modules, "torch"
assert "matplotlib" not in sys.modules, "matplotlib"
"""
    environment = {**os.environ, "PYTHONPATH": str(ENGINE)}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)


def test_a_report_says_where_the_views_were_found(exam, tmp_path):
    reconstruct.run(
        out=tmp_path, video=exam / "screen.nrrd", spacing_mm=0.2, matcher="orb", fill="linear", voxel_mm=2.0
    )
    views = json.loads((tmp_path / "report.json").read_text("utf-8"))["results"]["views"]
    sagittal, _ = SCREEN.boxes(phantom_exam().sagittal, phantom_exam().transverse)
    np.testing.assert_allclose(views["sagittal_roi"], sagittal, atol=3)
    page = (tmp_path / "report.html").read_text("utf-8")
    assert views["note"] in page
    assert ", ".join(map(str, views["sagittal_roi"])) in page


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["--exclude", "3;17"], "--exclude is '3;17'"),
        (["--pin", "17"], "--pin is '17'"),
        (["--pin", "17:1.5", "--pin", "17:2"], "frame 17 two positions"),
        (["--pin", "90:1.5"], "no frame 90 (--pin)"),
        (["--pin", "17:1e7"], "further than any probe reaches"),
        (["--exclude", "24"], "no frame 24 (--exclude): give frames from 0 to 23"),
    ],
)
def test_bad_choices_of_frames_give_one_sentence(exam, words, hint, tmp_path, capfd):
    from MR2USProLib.cli import run

    files = ["--sagittal", str(exam / "sagittal.mha"), "--transverse", str(exam / "transverse.mha")]
    assert run(["reconstruct", "--out", str(tmp_path / "out"), *files, "--device", "cpu", *words]) == 2
    (line,) = [line for line in capfd.readouterr().err.splitlines() if line.startswith("mr2us")]
    assert hint in line
    assert not (tmp_path / "out").exists()


def test_the_command_line_excludes_and_pins(exam, steps, tmp_path):
    from MR2USProLib.cli import run

    folder, _ = steps
    files = ["--sagittal", str(exam / "sagittal.mha"), "--transverse", str(exam / "transverse.mha")]
    choices = ["--exclude", "3,17", "--pin", "10:21.5", "--matcher", "orb", "--fill", "none", "--device", "cpu"]
    assert run(["reconstruct", "--out", str(tmp_path), *files, *choices]) == 0
    assert (tmp_path / "positions.csv").read_bytes() == (folder / "stitch" / "positions.csv").read_bytes()
    parameters = json.loads((tmp_path / "report.json").read_text("utf-8"))["parameters"]
    assert parameters["excluded"] == [3, 17]
    assert parameters["pinned_mm"] == {"10": 21.5}
