"""Glands and points that guide a registration, chosen in the panel and taken by the real worker."""

import numpy as np

from known_pair import pair, truth
from MR2USProLib.jobs.run import State
from MR2USProLib.registration import transforms
from MR2USProLib.volume import Volume
from test_panel_register import run_button, widgets
from test_panel_register_run import case, panel, picture, segmentation  # noqa: F401

RAS = np.array([-1.0, -1.0, 1.0])


def marks(name, places_mm):
    """A list of points at LPS positions."""
    import slicer

    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", name)
    for place in places_mm * RAS:
        node.AddControlPoint(*place)
    return node


def test_glands_and_points_register_a_pair(panel, case, slicerApp):  # noqa: F811
    from known_pair import gland

    mr, us = pair()
    there = truth()
    middle = transforms.map_points(us.grid.centre_mm, there)
    drawn = Volume(gland(mr.grid, middle).astype(np.uint8), mr.grid)
    places = middle + np.array([[12.0, 0, 4], [-12, 4, 0]])
    run, form = run_button(panel), widgets(panel, "Register")

    case.registration = "surfaces"
    slicerApp.process(0.1)
    assert run.text == "Choose the gland in both images, or points"
    assert not form.translationComboBox.enabled
    case.mrGland = segmentation(drawn, ["prostate"], "MR gland", case.mr)
    slicerApp.process(0.1)
    assert run.text == "Choose the gland in the TRUS too, or none"
    case.trusGland = segmentation(drawn.resampled(us.grid, there, "nearest"), ["prostate"], "TRUS gland", case.trus)
    case.mrMarks = marks("MR marks", places)
    slicerApp.process(0.1)
    assert run.text == "Choose the other list of points, or none"
    case.trusMarks = marks("TRUS marks", transforms.inverse_points(places[:1], there))
    slicerApp.process(0.1)
    assert run.text == "Mark the same places in MR and TRUS (2 and 1 so far)"
    case.trusMarks.AddControlPoint(*(transforms.inverse_points(places[1], there) * RAS))
    slicerApp.process(0.1)
    assert run.text == "Register"
    assert run.enabled

    case.mrSegmentation, case.trusSegmentation = case.mrGland, case.trusGland
    slicerApp.process(0.1)
    form.guidanceBox.collapsed = False
    run.click()
    slicerApp.waitUntil(lambda: not panel.logic.runner.busy, 120)
    slicerApp.process(0.3)
    done = panel.logic.runner.current
    assert done.state is State.DONE, done.message + "\n".join(done.log)
    assert done.results["guidance"]["masks"] == ["moving", "fixed"]
    assert done.results["guidance"]["points"] == 2
    assert done.results["after"]["dsc"] > 0.97
    assert "proves nothing" in form.verdictLabel.text
    assert "pairs of points that guided it" in form.verdictLabel.text
    picture(slicerApp, panel, "guided")
