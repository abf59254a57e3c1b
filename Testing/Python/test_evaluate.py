"""Methods compared on a small cohort: the start, the scores, the folds, going on after a kill, and the tables."""

import csv
import json
import multiprocessing
import os
import shutil

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from MR2USProLib.cohorts.cohort import read_cohort
from MR2USProLib.cohorts.methods import TABLE_II, Combination
from MR2USProLib.cohorts.plan import Plan
from MR2USProLib.cohorts.scoring import figures
from MR2USProLib.cohorts.start import started
from MR2USProLib.cohorts.study import Study
from MR2USProLib.cohorts.study_files import StudyFiles
from MR2USProLib.cohorts.training import deformed, learn_registration, translated
from MR2USProLib.commands.cohort_sections import verdict
from MR2USProLib.commands.evaluate import run
from MR2USProLib.errors import Cancelled, InputError
from MR2USProLib.evaluation.comparison import Row
from MR2USProLib.pipeline import pairing
from MR2USProLib.progress import SILENT, Progress
from MR2USProLib.registration.boxes import Box
from MR2USProLib.registration.transforms import map_points, write_transform
from MR2USProLib.registration.voxelmorph import VoxelMorph
from MR2USProLib.volume import Volume
from small_cohort import write_cohort

METHODS = ("acmt+anatomy-aware", "voxelmorph")
HOW = {"methods": METHODS, "folds": 2, "refine": False, "iterations": 3, "device": "cpu", "threads": 1}


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    return write_cohort(tmp_path_factory.mktemp("cohort"), 3, patients=2)


@pytest.fixture(autouse=True)
def small_grid(monkeypatch):
    monkeypatch.setitem(pairing.SHAPES, "fast", (16, 32, 32))


def rows_of(out):
    with (out / "cases.csv").open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture(scope="module")
def evaluated(cohort, tmp_path_factory):
    """An evaluation that nothing interrupted."""
    patch = pytest.MonkeyPatch()
    patch.setitem(pairing.SHAPES, "fast", (16, 32, 32))
    out = tmp_path_factory.mktemp("evaluated")
    run(out=out, cohort=cohort, **HOW)
    patch.undo()
    return out


def test_the_start_lays_the_boxes_of_the_glands_on_each_other(cohort):
    case = started(read_cohort(cohort)[0], preset="fast", seed=0)
    moving, fixed = case.boxes
    np.testing.assert_allclose(map_points(fixed.centre_mm, case.pair.initial), moving.centre_mm)
    # Drawn too large by 10 mm with 2 mm of jitter, and what is registered, as far as the TRUS reaches.
    true = Box.around(case.us_labels.gland)
    assert np.abs(fixed.high_mm - true.high_mm - 10).max() < 8
    region = case.pair.us.grid
    assert case.us.grid.contains(region.centre_mm)
    assert np.all(region.extent_mm <= case.us.grid.extent_mm + 1e-6)


def test_without_labels_the_pose_in_the_headers_is_the_start(cohort):
    labelled = read_cohort(cohort)[0]
    case = started(type(labelled)(labelled.name, labelled.mr, labelled.us), preset="fast", initial="centers")
    np.testing.assert_allclose(map_points(case.us.grid.centre_mm, case.pair.initial), case.mr.grid.centre_mm, atol=3)
    assert case.boxes is None


def test_the_true_transform_scores_as_perfect_and_the_start_does_not(cohort):
    case = started(read_cohort(cohort)[0], preset="fast")
    perfect, before = figures(case, case.truth), figures(case, case.pair.initial)
    assert perfect["tre_mm"] == perfect["displacement_error_mm"] == 0
    assert perfect["dsc"] > 0.97
    assert perfect["folding"] == 0
    assert before["displacement_error_mm"] > 1
    assert before["he"] == before["displacement_mean_mm"] == 0
    # Without the truth, landmarks err by what was drawn, which is a matter of voxels here.
    drawn = figures(type(case)(**{**vars(case), "truth": None}), case.truth)
    assert 0 < drawn["tre_mm"] < 1
    assert "displacement_error_mm" not in drawn


def test_every_case_is_tested_once_by_every_method(evaluated):
    rows = rows_of(evaluated)
    asked = ["start", "acmt+anatomy-aware", "none+voxelmorph", "none+demons", "acmt+demons"]
    assert sorted((row["method"], row["case"]) for row in rows) == sorted((m, f"a{n}") for m in asked for n in range(3))
    folds = {row["case"]: row["fold"] for row in rows}
    assert folds["a0"] == folds["a2"] != folds["a1"]  # a0 and a2 are of one patient
    start = next(row for row in rows if (row["method"], row["case"]) == ("start", "a1"))
    assert float(start["seconds"]) == float(start["he"]) == 0
    assert 0.5 < float(start["dsc"]) < 0.97


def test_the_tables_say_what_the_rows_say(evaluated):
    text = (evaluated / "tables.md").read_text("utf-8")
    lines = {line.split(" | ")[0].strip("| "): line.split(" | ") for line in text.splitlines() if line.startswith("|")}
    rows = rows_of(evaluated)
    tre = {m: np.array([float(r["tre_mm"]) for r in rows if r["method"] == m]) for m in ("start", "none+voxelmorph")}
    column = lines["Method"].index("TRE mm")
    for method, values in tre.items():
        assert lines[method][column] == f"{values.mean():.2f} ± {values.std(ddof=1):.2f}"
    worse = np.mean(tre["none+voxelmorph"] > tre["start"])
    assert f"{100 * worse:.0f} % worse" in lines["none+voxelmorph"][-1]
    assert lines["Translation"][1].startswith("FID (own features")
    assert [name for name in lines if name in ("original", "acmt")] == ["original", "acmt"]
    assert "Table II" in text
    assert (evaluated / "report.html").read_text("utf-8").count("<img") == 2


def study(cohort, out, methods=("none+voxelmorph", "none+demons"), **plan):
    plan = Plan(**{"folds": 2, "refine": False, "iterations": 3, **plan})
    return Study(read_cohort(cohort), [Combination.named(name) for name in methods], plan, out)


def killed_at(cohort, out, fraction):
    """In a process of its own: evaluate, and be gone without a word at some point."""
    pairing.SHAPES["fast"] = (16, 32, 32)

    def listen(stage, done, message):
        if done >= fraction:
            os._exit(9)

    study(cohort, out).run(Progress(listen))


def test_what_was_killed_goes_on_to_the_same_end(cohort, evaluated, tmp_path):
    process = multiprocessing.get_context("spawn").Process(target=killed_at, args=(cohort, tmp_path, 0.4))
    process.start()
    process.join()
    assert process.exitcode == 9
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.glob("cases/*/*.json")}
    going_on = study(cohort, tmp_path)
    done, pieces = going_on.done()
    assert 3 <= done < pieces
    going_on.run(SILENT)
    assert all(path.stat().st_mtime_ns == when for path, when in kept.items())
    for row in going_on.rows():  # what an evaluation with other methods too, and without a break, measured
        file = evaluated / "cases" / row.case / f"{row.method}.json"
        there = json.loads(file.read_text("utf-8"))
        assert {**there, "seconds": 0} == {**row.figures, "seconds": 0}
    assert not list(tmp_path.rglob(".writing-*"))
    assert not list(tmp_path.rglob("*.checkpoint"))


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"seed": 1}, "with --seed 0, and this one is with --seed 1"),
        ({"iterations": 4}, "with --iterations 3, and this one is with --iterations 4"),
        ({"refine": True}, "with --no-refine, and this one is without --no-refine"),
        ({"fit_only": True, "refine": True}, "without --fit-only, and this one is with --fit-only"),
    ],
)
def test_other_settings_are_refused(cohort, evaluated, changed, says):
    with pytest.raises(InputError, match=says):
        run(out=evaluated, cohort=cohort, **{**HOW, **changed})


def test_a_file_that_was_damaged_meanwhile_is_named(cohort, evaluated, tmp_path):
    shutil.copytree(evaluated, tmp_path / "copy")
    (tmp_path / "copy" / "cases" / "a1" / "start.json").write_text("{")
    with pytest.raises(InputError, match=r"start\.json is damaged: remove it"):
        run(out=tmp_path / "copy", cohort=cohort, **HOW)
    (tmp_path / "copy" / "plan.json").write_text('{"settings": 1, "cohort": 1}')
    with pytest.raises(InputError, match=r"plan\.json cannot be read"):
        run(out=tmp_path / "copy", cohort=cohort, **HOW)


def test_the_plan_tells_patients_apart_without_their_names(cohort, evaluated):
    cases = read_cohort(cohort)
    plan = (evaluated / "plan.json").read_text("utf-8")
    assert len({case.patient for case in cases}) == 2
    assert not any(f'"{case.patient}"' in plan for case in cases)
    assert {kept["patient"] for kept in json.loads(plan)["cohort"].values()} == {0, 1}


def test_another_cohort_is_refused(cohort, evaluated, tmp_path):
    other = write_cohort(tmp_path / "other", 2, patients=2)
    with pytest.raises(InputError, match="of another cohort"):
        run(out=evaluated, cohort=other, **HOW)


def test_a_case_that_cannot_be_used_is_named_before_any_work(cohort, tmp_path):
    folder = tmp_path / "bad"
    path = write_cohort(folder, 2, patients=2)
    (folder / "a1" / "us.nrrd").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"The case 'a1' cannot be used: us\.nrrd could not be read"):
        run(out=tmp_path / "out", cohort=path, **HOW)
    assert not list((tmp_path / "out").rglob("*.safetensors"))


@pytest.mark.parametrize(
    ("methods", "says"),
    [
        (["acmt+elastix"], "There is no method 'acmt\\+elastix'"),
        (["cut+fsdiffreg"], "There is no method"),
        ([""], "''"),
    ],
)
def test_an_unknown_method_is_refused_with_the_known_ones(cohort, tmp_path, methods, says):
    with pytest.raises(InputError, match=says):
        run(out=tmp_path / "out", cohort=cohort, methods=methods)
    assert not (tmp_path / "out").exists()


def test_a_schedule_for_cohorts_is_refused_where_nothing_is_trained(cohort, tmp_path):
    with pytest.raises(InputError, match="drop --published, or --fit-only"):
        run(out=tmp_path / "out", cohort=cohort, **{**HOW, "refine": True}, fit_only=True, published=True)


def test_fitting_alone_trains_nothing_and_has_no_folds(cohort, tmp_path):
    fitting = study(cohort, tmp_path, ["acmt+voxelmorph"], fit_only=True)
    fitting.run(SILENT)
    assert not (tmp_path / "weights").exists()
    assert {row.fold for row in fitting.rows()} == {None}
    case = fitting.cases[0]
    assert fitting.translation(case, "acmt").mr.shape == (16, 32, 32)
    assert fitting.health(case, "acmt")["seconds"] > 0


def test_it_stops_when_told_and_keeps_what_is_done(cohort, tmp_path):
    said = []
    progress = Progress(
        lambda stage, share, message: said.append(message), lambda: "training" in said[-1] if said else False
    )
    with pytest.raises(Cancelled):
        study(cohort, tmp_path, METHODS).run(progress)
    assert len(list(tmp_path.glob("cases/*/start.json"))) == 3
    assert not list(tmp_path.rglob("*.safetensors"))


def test_it_can_be_stopped_while_it_reads_what_an_earlier_call_had_read(cohort, tmp_path):
    said = []

    def listen(stage, share, message):
        said.append(message)

    with pytest.raises(Cancelled):
        study(cohort, tmp_path).run(Progress(listen, lambda: bool(said) and "training" in said[-1]))
    going_on = study(cohort, tmp_path)
    with pytest.raises(Cancelled):
        going_on.run(Progress(listen, lambda: "training" in said[-1] and "reading" in said[-1]))
    assert sum("training" in text and "reading" in text for text in said) == 1


def test_a_trained_network_is_refined_on_the_pair_or_taken_as_it_is(cohort):
    pair = started(read_cohort(cohort)[0], preset="fast").pair
    seen = translated("none", pair, None)
    part = learn_registration("anatomy-aware", [seen.images(pair)], iterations=1).part
    as_it_is, again, refined = (
        deformed("anatomy-aware", pair, seen, part, refine=r).array for r in (False, False, True)
    )
    np.testing.assert_array_equal(as_it_is, again)
    assert np.linalg.norm(refined - as_it_is, axis=-1).mean() > 0.05


def test_a_second_call_goes_on_and_methods_may_be_added(cohort, evaluated):
    file = evaluated / "cases" / "a0" / "none+voxelmorph.json"
    before, said = file.stat().st_mtime_ns, []
    record = run(out=evaluated, cohort=cohort, **{**HOW, "methods": ["voxelmorph", "simpleitk"]}, announce=said.append)
    assert said == [f"Going on with an evaluation of which {record.results['pieces'] - 3} of 14 pieces are done."]
    assert file.stat().st_mtime_ns == before
    assert list(record.results["means"]) == ["start", "none+voxelmorph", "none+simpleitk"]


def test_a_fold_never_trains_on_the_patients_that_it_tests(cohort, tmp_path):
    split = study(cohort, tmp_path)
    for n, fold in enumerate(split.folds):
        assert not {c.patient for c in fold} & {c.patient for c in split.learning.training_cases(n)}


def test_the_default_is_what_the_paper_crosses():
    paper = ["diffusemorph", "fsdiffreg", "unsb+fsdiffreg", "pmt+fsdiffreg", "acmt+fsdiffreg", "acmt+anatomy-aware"]
    assert {Combination.named(name) for name in paper} < set(TABLE_II)
    assert str(Combination.named("voxelmorph")) == "none+voxelmorph"


def test_a_finder_learns_from_the_boxes_of_the_training_cases_alone(tmp_path):
    cases = read_cohort(write_cohort(tmp_path, 8, patients=8))
    study = Study(cases, [Combination.named("finder")], Plan(folds=2), tmp_path / "study")
    with pytest.raises(InputError, match="4 pair\\(s\\) with boxes teach nothing"):  # eight would teach something
        study.run(SILENT)


def test_one_finder_a_fold_serves_all_who_begin_with_one(tmp_path):
    cases = read_cohort(write_cohort(tmp_path, 4, patients=4))
    methods = [Combination.named(name) for name in ("demons", "register", "finder", "surfaces")]
    for some, count in ((methods, 2), (methods[:2], 0)):  # register alone has the program's own, as the boxes are few
        pieces = Study(cases, some, Plan(folds=2), tmp_path / "study").pieces()
        assert sum("training" in piece.what for piece in pieces) == count


def test_only_the_start_has_no_translation():
    assert str(Combination.named("finder")) == "none+finder"
    with pytest.raises(InputError, match="or give one of finder, surfaces, register"):
        Combination.named("acmt+finder")


def test_what_register_does_by_itself_needs_no_training_where_boxes_are_few(tmp_path, monkeypatch):
    monkeypatch.setitem(pairing.SHAPES, "fast", (16, 32, 32))
    cohort = write_cohort(tmp_path, 2, patients=2)
    run(out=tmp_path / "out", cohort=cohort, methods=("register",), folds=2, device="cpu", threads=1)
    rows = {(row["case"], row["method"]): row for row in rows_of(tmp_path / "out")}
    for case in ("a0", "a1"):
        start, found = (rows[case, name] for name in ("start", "none+register"))
        assert float(found["dsc"]) > float(start["dsc"])
        assert float(found["tre_mm"]) < float(start["tre_mm"])
        assert float(found["folding"]) == 0
    assert not list((tmp_path / "out").glob("weights/**/*.safetensors"))


def test_the_masks_of_the_labels_bring_the_glands_together(tmp_path):
    cohort = write_cohort(tmp_path, 2, patients=2)
    run(out=tmp_path / "out", cohort=cohort, methods=("surfaces", "finder"), device="cpu", threads=1, fit_only=True)
    rows = {(row["case"], row["method"]): row for row in rows_of(tmp_path / "out")}
    for case in ("a0", "a1"):
        start, met = (rows[case, name] for name in ("start", "none+surfaces"))
        assert float(met["dsc"]) > max(0.95, float(start["dsc"]))
        assert float(met["folding"]) == 0
        assert (case, "none+finder") in rows  # the program's own, where nothing is trained


def test_a_gland_that_the_networks_grid_does_not_see_keeps_nothing_from_its_table(tmp_path, monkeypatch):
    monkeypatch.setitem(pairing.SHAPES, "fast", (8, 16, 16))
    path = write_cohort(tmp_path, 2, patients=2)
    label = Volume.read(tmp_path / "a1" / "us_label.nrrd")
    middle = np.argwhere(label.array == 1).mean(axis=0).round().astype(int)
    label.array[:] = 0
    label.array[tuple(middle)] = 1
    label.write(tmp_path / "a1" / "us_label.nrrd")
    pose = str(tmp_path / "Miller_pose.tfm")
    write_transform(pose, sitk.TranslationTransform(3))
    heard = []
    progress = Progress(lambda stage, done, message: heard.append(done))
    how = {"methods": ["demons"], "folds": 2, "initial": pose, "device": "cpu", "threads": 1}
    run(out=tmp_path / "out", cohort=path, **how, progress=progress)
    assert heard[-1] == 1.0
    assert "Insides alike" in (tmp_path / "out" / "tables.md").read_text("utf-8")
    for name in ("report.json", "report.html", "plan.json"):  # which tell no names of files
        assert "Miller" not in (tmp_path / "out" / name).read_text("utf-8")
    write_transform(pose, sitk.TranslationTransform(3, (1.0, 0.0, 0.0)))  # edited under its name
    with pytest.raises(InputError, match="that file as it was before"):
        run(out=tmp_path / "out", cohort=path, **how)


def test_a_network_that_diverged_is_named_where_its_results_are(tmp_path, monkeypatch):
    monkeypatch.setitem(pairing.SHAPES, "fast", (8, 16, 16))
    path, out = write_cohort(tmp_path, 2, patients=2), tmp_path / "out"
    how = {"methods": ["voxelmorph"], "folds": 2, "refine": False, "device": "cpu", "threads": 1}
    network = VoxelMorph().network()
    for fold, bias in enumerate((0.0, float("nan"))):
        torch.nn.init.constant_(network.flow.bias, bias)
        StudyFiles(out).keep_network(fold, "none+voxelmorph", "registration", VoxelMorph().part(network))
    record = run(out=out, cohort=path, **how)
    lost = {row["case"]: row["diverged"] for row in rows_of(out) if row["method"] == "none+voxelmorph"}
    assert sorted(lost.values()) == ["0", "1"]
    told = "Diverged: none+voxelmorph in 1 of 2 pairs."
    for text in (record.results["warning"], (out / "tables.md").read_text("utf-8")):
        assert told in text
    assert told in (out / "report.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("after", "says"), [(0.9, "The greatest overlap"), (0.7, "No method made the start better. Of them, the greatest")]
)
def test_the_verdict_calls_no_method_the_best_that_is_worse_than_none(after, says):
    rows = {name: [Row("a", "a", 1, name, {"dsc": value})] for name, value in (("start", 0.8), ("m", after))}
    assert verdict(rows).startswith(says)
