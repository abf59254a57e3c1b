"""Fixtures that tests of the panels share."""

import pytest

from MR2USProLib.devices import share_cores

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
