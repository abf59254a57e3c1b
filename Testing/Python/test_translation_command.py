"""`translate` and `register` with networks that were trained before, and what they refuse."""

import json

import numpy as np
import pytest

from known_pair import pair
from MR2USProLib.commands import register, translate
from MR2USProLib.errors import InputError
from MR2USProLib.jobs.job import STAGES, Job
from MR2USProLib.pipeline import pairing
from MR2USProLib.progress import Progress
from MR2USProLib.registration.transforms import write_transform
from MR2USProLib.translation.acmt import AcmtSettings
from MR2USProLib.translation.cohort import Example
from MR2USProLib.translation.method import Networks
from MR2USProLib.translation.training import Schedule, train
from MR2USProLib.volume import Volume
from MR2USProLib.weights import Weights, write_weights
from oblique_pair import initial


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A pair, its pose and weights of a translation, in one folder."""
    folder = tmp_path_factory.mktemp("files")
    mr, us = pair()
    mr.write(folder / "mr.nrrd")
    us.write(folder / "us.nrrd")
    write_transform(folder / "pose.tfm", initial())
    noise = np.random.default_rng(0).normal(size=(4, 16, 16))
    trained = train(
        "acmt",
        [Example(noise, noise**2, np.ones(noise.shape, bool))],
        settings=AcmtSettings(Networks(channels=4, blocks=1)),
        schedule=Schedule(1),
    )
    write_weights(folder / "acmt.safetensors", Weights({"translation": trained.part()}))
    write_weights(folder / "none.safetensors", Weights({}))
    return folder


@pytest.fixture(autouse=True)
def small_grid(monkeypatch):
    monkeypatch.setitem(pairing.SHAPES, "fast", (8, 24, 24))


def given(files, **more):
    return {"mr": files / "mr.nrrd", "us": files / "us.nrrd", "initial": str(files / "pose.tfm"), **more}


def test_a_trained_network_translates_without_a_fit(files, tmp_path):
    for name in ("one", "two"):
        translate.run(out=tmp_path / name, **given(files, weights=files / "acmt.safetensors", seed=len(name)))
    one, two = (Volume.read(tmp_path / name / "mr_translated.nrrd") for name in ("one", "two"))
    assert np.array_equal(one.array, two.array)
    assert one.grid.shape == (8, 24, 24)
    report = json.loads((tmp_path / "one" / "report.json").read_text("utf-8"))
    assert set(report["inputs"]) == {"mr", "us", "initial", "weights"}
    assert any("N4" in step for step in report["results"]["preparation"])
    assert any("percentile" in step for step in report["results"]["preparation"])
    assert report["results"]["stopped"] is None


def test_a_sample_is_drawn_by_its_seed(files, tmp_path):
    how = {
        "mean": {},
        "one": {"sample": True, "seed": 1},
        "again": {"sample": True, "seed": 1},
        "two": {"sample": True},
    }
    found = {}
    for name, options in how.items():
        translate.run(out=tmp_path / name, **given(files, weights=files / "acmt.safetensors", **options))
        found[name] = Volume.read(tmp_path / name / "mr_translated.nrrd").array
    assert np.array_equal(found["one"], found["again"])
    for name in ("mean", "two"):
        assert np.abs(found["one"] - found[name]).max() > 1e-3
    assert json.loads((tmp_path / "one" / "report.json").read_text("utf-8"))["parameters"]["sample"]


def test_a_job_translates(files, tmp_path):
    told = []
    parameters = {name: str(path) for name, path in given(files, weights=files / "acmt.safetensors").items()}
    job = Job("translate", parameters, tmp_path)
    results = job.run(Progress(lambda stage, fraction, message: told.append((stage, fraction))))
    assert -1 <= results["health"]["edges_us"] <= 1  # of a network that has learned next to nothing
    assert {stage for stage, _ in told} == set(STAGES["translate"])
    assert told[-1][1] == pytest.approx(1.0)
    assert (job.results / "mr_translated.nrrd").is_file()


def test_weights_that_do_not_fit_the_method_are_refused(files, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(InputError, match="choose acmt"):
        translate.run(out=out, **given(files, weights=files / "acmt.safetensors", method="unsb"))
    with pytest.raises(InputError, match="no translation"):
        translate.run(out=out, **given(files, weights=files / "none.safetensors"))
    with pytest.raises(InputError, match="strict-paper"):
        translate.run(out=out, **given(files, method="pmt", strict_paper=True))
    assert not out.exists()


@pytest.mark.slow
@pytest.mark.parametrize("method", ["pmt", "unsb"])
def test_every_translation_leads_to_a_registration(files, tmp_path, method):
    register.run(
        out=tmp_path / "out",
        moving=files / "mr.nrrd",
        fixed=files / "us.nrrd",
        initial=str(files / "pose.tfm"),
        preset="fast",
        translation=method,
    )
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text("utf-8"))
    assert metrics["translation"]["edges_us"] > 0
    assert (tmp_path / "out" / "mr_translated.nrrd").is_file()
