"""The command line as programs and people meet it: exit codes, sentences, events, and what is left in the folder."""

import importlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from MR2USProLib import cli
from MR2USProLib.command_line.console import front_end
from MR2USProLib.errors import OUT_OF_MEMORY, InputError
from MR2USProLib.volume import Grid, Volume

ENGINE = Path(__file__).parents[2] / "MR2USPro"


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "MR2USProLib.cli", *map(str, words)]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ENGINE), "COLUMNS": "200"}


def mr2us(*words: object) -> subprocess.CompletedProcess:
    return subprocess.run(command(*words), capture_output=True, text=True, env=environment(), check=False)


@pytest.fixture
def picture(tmp_path) -> Path:
    rng = np.random.default_rng(0)
    volume = Volume(rng.integers(1, 255, (8, 9, 10), np.uint8), Grid((8, 9, 10)))
    volume.write(tmp_path / "picture.nrrd")
    return tmp_path / "picture.nrrd"


def test_help_tells_every_command():
    told = mr2us("--help")
    assert told.returncode == 0
    for name in ("demo", "simulate", "reconstruct", "translate", "register", "warp"):
        assert name in told.stdout


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["nonsense"], "nonsense"),
        (["register", "--out", "OUT"], "--moving"),
        (["demo", "--frames", "many"], "--frames"),
        (["demo", "--seed", str(2**64)], "--seed"),
        (["reconstruct", "--out", "OUT", "--sagittal-roi", "1,2", "--video", "v.mp4"], "4 whole numbers"),
        (["reconstruct", "--out", "OUT"], "--video"),
        (["reconstruct", "--out", "OUT", "--sagittal", "none.mha", "--transverse", "none.mha"], "none.mha"),
        (["register", "--out", "OUT", "--moving", "none.nrrd", "--fixed", "none.nrrd"], "does not exist"),
        (["register", "--out", "OUT", "--moving", "PICTURE", "--fixed", "PICTURE", "--initial", "x.tfm"], "x.tfm"),
        (
            [
                "register",
                "--out",
                "OUT",
                "--moving",
                "PICTURE",
                "--fixed",
                "PICTURE",
                "--fixed-roi",
                "90,90,90,99,99,99",
            ],
            "outside the image",
        ),
        (
            ["register", "--out", "OUT", "--moving", "PICTURE", "--fixed", "PICTURE", "--moving-label", "PICTURE"],
            "only one",
        ),
        (["warp", "--out", "OUT", "--transform", "PICTURE"], "nothing to warp"),
        (["warp", "--out", "OUT", "--transform", "PICTURE", "--moving", "PICTURE"], "--reference"),
        (
            ["warp", "--out", "OUT", "--transform", "PICTURE", "--moving", "PICTURE", "--reference", "PICTURE"],
            "transform",
        ),
        (["simulate", "--out", "PICTURE"], "not a folder"),
        (["evaluate", "--out", "OUT", "--cohort", "PICTURE", "--fit-only", "--no-refine"], "drop --no-refine"),
    ],
)
def test_bad_input_gives_one_sentence_and_leaves_nothing(words, hint, picture, tmp_path):
    out = tmp_path / "out"
    ended = mr2us(*[{"OUT": out, "PICTURE": picture}.get(word, word) for word in words])
    assert ended.returncode == 2, ended.stderr
    lines = ended.stderr.strip().splitlines()
    assert len(lines) == 1, ended.stderr
    assert hint in lines[0]
    assert lines[0].startswith("mr2us: ")
    assert not out.exists()


@pytest.mark.parametrize(
    "words",
    [
        ["simulate", "--frames", "2", "--mr", "mr.nrrd"],
        ["translate", "--mr", "picture.nrrd", "--us", "us_translated.nrrd"],
        ["register", "--fixed", "picture.nrrd", "--moving", "warped.nrrd"],
        ["register", "--fixed", "picture.nrrd", "--moving", "mr_translated.nrrd"],
        ["warp", "--transform", "t.tfm", "--moving", "picture.nrrd", "--reference", "warped.nrrd"],
        ["warp", "--transform", "t.tfm", "--points", "points.csv"],
        ["evaluate", "--cohort", "cases.csv"],
    ],
)
def test_an_input_in_the_folder_of_the_results_is_not_replaced(words, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.run([words[0], "--out", ".", *words[1:]]) == 2
    assert "is an input, and a result of that name would take its place" in capsys.readouterr().err


def test_simulate_tells_its_progress_as_json_lines_and_leaves_whole_files(tmp_path):
    ended = mr2us("simulate", "--out", tmp_path / "exam", "--frames", 12, "--level", "easy", "--seed", 3, "--events")
    assert ended.returncode == 0, ended.stderr
    events = [json.loads(line) for line in ended.stdout.splitlines()]
    assert events[-1] == {"event": "done"}
    fractions = [event["fraction"] for event in events[:-1]]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    truth = json.loads((tmp_path / "exam" / "truth.json").read_text())
    assert len(truth["positions_mm"]) == 12
    assert sitk.ReadImage(str(tmp_path / "exam" / "sagittal.mha")).GetSize()[2] == 12
    assert not list((tmp_path / "exam").glob(".*"))


def test_events_end_with_their_reader_and_need_no_letters_but_ascii(tmp_path):
    words = command("simulate", "--frames", 24, "--out", tmp_path / "out", "--events")
    work = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment())
    assert work.stdout.readline()
    work.stdout.close()  # as head does
    assert work.wait() == 130
    assert work.stderr.read() == "mr2us: cancelled; nothing of the unfinished stage was kept.\n"
    assert not (tmp_path / "out").exists()
    words = command("warp", "--transform", "Müller.h5", "--points", "p.csv", "--out", tmp_path / "out", "--events")
    plain = {**environment(), "PYTHONIOENCODING": "ascii"}
    ended = subprocess.run(words, capture_output=True, text=True, env=plain, check=False)
    assert ended.returncode == 2, ended.stderr
    assert "Müller.h5" in json.loads(ended.stdout)["message"]


def test_people_are_told_what_to_look_at_once_it_is_there(monkeypatch, capsys, tmp_path):
    report = tmp_path / "report.html"
    with front_end(False, report) as progress:
        progress.report(1.0, "In a log")
    assert capsys.readouterr() == ("", "")
    monkeypatch.setenv("FORCE_COLOR", "1")  # as rich takes a terminal's place
    with front_end(False, report) as progress:
        progress.report(1.0, "At a terminal")
    assert capsys.readouterr().err.endswith(f"Done: {report}\n")
    with pytest.raises(InputError), front_end(False, report):
        raise InputError("It cannot be done.")
    assert "Done" not in capsys.readouterr().err


def test_too_little_memory_is_told_in_a_sentence(monkeypatch, capsys, tmp_path):
    from MR2USProLib.cli import run
    from MR2USProLib.commands import simulate

    monkeypatch.setattr(simulate, "run", lambda **given: np.empty(10**17))  # no machine has so much
    assert run(["simulate", "--out", str(tmp_path / "out"), "--events"]) == 2
    told = capsys.readouterr()
    assert json.loads(told.out.splitlines()[-1])["kind"] == "input"
    assert told.err == f"mr2us: {OUT_OF_MEMORY}\n"


@pytest.mark.skipif(os.name == "nt", reason="signals are of POSIX")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_cancel_ends_it_within_two_seconds_and_leaves_nothing(how, tmp_path):
    words = command("simulate", "--out", tmp_path / "exam", "--frames", 4000, "--events")
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment())
    process.stdout.readline()  # it is at work
    time.sleep(0.5)
    process.send_signal(how)
    start = time.monotonic()
    told, errors = process.communicate(timeout=30)
    assert process.returncode == 130, errors
    assert time.monotonic() - start < 2
    assert json.loads(told.splitlines()[-1]) == {"event": "cancelled"}
    assert not (tmp_path / "exam").exists()


@pytest.mark.parametrize(
    ("name", "says"),
    [("train", "call with --resume goes on."), ("evaluate", "the same call goes on."), ("simulate", "was kept.")],
)
def test_who_cancels_is_told_what_is_left(name, says, monkeypatch, capsys, tmp_path):
    def interrupted(**options):
        raise KeyboardInterrupt

    monkeypatch.setattr(importlib.import_module(f"MR2USProLib.commands.{name}"), "run", interrupted)
    needed = {"simulate": []}.get(name, ["--cohort", "cohort.csv"])
    assert cli.run([name, "--out", str(tmp_path), *needed]) == 130
    told = capsys.readouterr().err
    assert told.startswith("mr2us: cancelled; ")
    assert told.rstrip().endswith(says)
    assert told.count("\n") == 1


def test_warp_carries_points_from_the_mr_to_the_trus(tmp_path):
    # The transform takes a TRUS point to the MR point 5 mm further along x, so an MR point comes back 5 mm.
    sitk.WriteTransform(sitk.TranslationTransform(3, (5.0, 0.0, 0.0)), str(tmp_path / "t.tfm"))
    (tmp_path / "targets.csv").write_text("name,x,y,z\nlesion,10,20,30\n")
    ended = mr2us(
        "warp",
        "--out",
        tmp_path / "out",
        "--transform",
        tmp_path / "t.tfm",
        "--points",
        tmp_path / "targets.csv",
        "--seed",
        1,
        "--device",
        "cpu",
        "--threads",
        1,
    )
    assert ended.returncode == 0, ended.stderr
    assert (tmp_path / "out" / "points.csv").read_text().splitlines() == ["name,x,y,z", "lesion,5.000,20.000,30.000"]
