"""Glands and points that guide a registration, chosen in the panel and taken by the real worker."""

import numpy as np

from known_pair import gland
from MR2USProLib.jobs.run import State
from MR2USProLib.registration import transforms
from MR2USProLib.volume import Volume
from register_panel import FLIP, markups, segmentation


def test_glands_and_points_register_a_pair(registerPanel, posedCase, knownPair, slicerApp):
    mr, us, there = knownPair
    middle = transforms.map_points(us.grid.centre_mm, there)
    drawn = Volume(gland(mr.grid, middle).astype(np.uint8), mr.grid)
    places = middle + np.array([[12.0, 0, 4], [-12, 4, 0]])
    run, form = registerPanel.run, registerPanel.register

    posedCase.registration = "surfaces"
    slicerApp.process(0.1)
    assert run.text == "Choose the gland in both images, or points"
    assert not form.translationComboBox.enabled
    posedCase.mrGland = segmentation(drawn, ["prostate"], "MR gland", posedCase.mr)
    slicerApp.process(0.1)
    assert run.text == "Choose the gland in the TRUS too, or none"
    posedCase.trusGland = segmentation(
        drawn.resampled(us.grid, there, "nearest"), ["prostate"], "TRUS gland", posedCase.trus
    )
    posedCase.mrMarks = markups("MR marks", places * FLIP)
    slicerApp.process(0.1)
    assert run.text == "Choose the other list of points, or none"
    posedCase.trusMarks = markups("TRUS marks", transforms.inverse_points(places[:1], there) * FLIP)
    slicerApp.process(0.1)
    assert run.text == "Mark the same places in both (2 and 1 so far)"
    posedCase.trusMarks.AddControlPoint(*(transforms.inverse_points(places[1], there) * FLIP))
    slicerApp.process(0.1)
    assert run.text == "Register"
    assert run.enabled

    posedCase.mrSegmentation, posedCase.trusSegmentation = posedCase.mrGland, posedCase.trusGland
    slicerApp.process(0.1)
    form.guidanceBox.collapsed = False
    run.click()
    slicerApp.waitUntil(lambda: not registerPanel.logic.runner.busy, 120)
    slicerApp.process(0.3)
    done = registerPanel.logic.runner.current
    assert done.state is State.DONE, done.message + "\n".join(done.log)
    assert done.results["guidance"]["masks"] == ["moving", "fixed"]
    assert done.results["guidance"]["points"] == 2
    assert done.results["after"]["dsc"] > 0.97
    assert "proves nothing" in form.verdictLabel.text
    assert "pairs of points that guided it" in form.verdictLabel.text
    registerPanel.picture("guided")
