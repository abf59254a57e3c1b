"""Fixtures that tests of the panels share."""

import json
import os
import sys

import pytest

from MR2USProLib.devices import share_cores

WAITING = """#!{python}
import os, sys, time
while not os.path.exists(os.path.join(os.path.dirname(sys.argv[-1]), "manifest.json")):
    time.sleep(0.05)
"""
"""Stands for the worker: waits until its results are there."""

share_cores()  # tests of fits should not suffer from whatever else runs here


@pytest.fixture
def slicerApp():  # noqa: N802
    """The stand-in for Slicer with an empty scene; a slot that raised, or a complaint of Qt's, fails the test."""
    pytest.importorskip("slicer", reason="slicer-core has no wheel for this machine", exc_type=ImportError)
    from standin import Standin

    app = Standin.start()
    app.reset()
    yield app
    errors = list(app.errors)
    app.reset()
    assert not errors, "\n".join(errors)


@pytest.fixture(scope="session")
def examVideo(tmp_path_factory):  # noqa: N802
    """A video of both views of a simulated exam, with a name that may be written nowhere."""
    from reconstruct_panel import SCREEN
    from scanner_screen import write_video
    from small_exam import small_exam

    exam = small_exam()
    path = tmp_path_factory.mktemp("video") / "Doe^John.avi"
    return write_video(path, SCREEN.pictures(exam.sagittal, exam.transverse), "MJPG")


@pytest.fixture
def registerPanel(slicerApp):  # noqa: N802
    """The panel MR2USRegister over an empty scene."""
    from register_panel import RegisterPanel

    return RegisterPanel(slicerApp)


@pytest.fixture(scope="session")
def knownPair():  # noqa: N802
    """MR and TRUS as the engine has them, and the transform between them."""
    from known_pair import pair, truth

    return *pair(), truth()


@pytest.fixture
def pairCase(registerPanel, knownPair):  # noqa: N802
    """The case with that pair, chosen in the panel."""
    from MR2USProLib.mrml import volume_node

    mr, us, _ = knownPair
    registerPanel.align.mrSelector.setCurrentNode(volume_node(mr, "T2"))
    registerPanel.align.trusSelector.setCurrentNode(volume_node(us, "TRUS volume"))
    registerPanel.app.process(0.05)
    return registerPanel.case


@pytest.fixture
def posedCase(pairCase, slicerApp):  # noqa: N802
    """That case with its true pose as the start, to be registered as fast as it goes."""
    from MR2USProLib.mrml import linear_transform_node
    from oblique_pair import initial

    pairCase.start, pairCase.startTransform = "transform", linear_transform_node(initial(), "Pose")
    pairCase.translation, pairCase.registration, pairCase.preset = "none", "anatomy-aware", "fast"
    slicerApp.process(0.1)
    return pairCase


@pytest.fixture
def resultCase(registerPanel, pairCase, knownPair, tmp_path):  # noqa: N802
    """That case with what a job would have left that found the truth."""
    from register_panel import keep_result

    keep_result(pairCase, knownPair, tmp_path / "job")
    registerPanel.app.process(0.05)
    return pairCase


@pytest.fixture
def registering(registerPanel, pairCase, knownPair, monkeypatch, tmp_path):
    """A registration under way, and what lets it end with the known result."""
    from known_pair import leave_results
    from MR2USProLib.registration import transforms
    from MR2USProPanels.environment import environment
    from oblique_pair import initial

    if os.name == "nt":
        pytest.skip("the worker's script is started by its first line")
    monkeypatch.setattr(environment(), "lookOnce", lambda: None)  # that worker would not end
    python = tmp_path / "python"
    python.write_text(WAITING.format(python=sys.executable))
    python.chmod(0o755)
    monkeypatch.setattr("MR2USProPanels.jobRunner.workerPython", lambda: str(python))
    registerPanel.run.click()
    runner = registerPanel.logic.runner
    assert runner.busy

    def end():
        folder = runner.current.job.folder
        results = leave_results(folder, *knownPair, transforms.as_affine(initial()))
        (folder / "manifest.tmp").write_text(json.dumps({"kind": "register", "results": results, "files": []}))
        (folder / "manifest.tmp").rename(folder / "manifest.json")
        registerPanel.app.waitUntil(lambda: not runner.busy, 30)
        registerPanel.app.process(0.05)
        assert not folder.exists()

    return end
