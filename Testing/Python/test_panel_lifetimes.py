"""Cases, nodes and panels that go while something else still needs them."""

import pytest

from reconstruct_panel import nodes
from register_panel import STARTS, keep_result, markups, shown


def current():
    from MR2USProPanels.case import currentCase

    return currentCase()


@pytest.fixture
def widgets(slicerApp):
    """Widgets of the sections of the guided exam, by heading."""
    found = slicerApp.openModule("MR2USPro")
    return {section.title: vars(section)["ui"] for section in found.sections}


class Volumes:
    """Volumes that are not empty, as an MR and a TRUS that somebody has loaded."""

    def __new__(cls, *names):
        import numpy as np

        from MR2USProLib.mrml import volume_node
        from MR2USProLib.volume import Grid, Volume

        grid = Grid((6, 7, 8))
        return [volume_node(Volume(np.arange(336, dtype=np.float32).reshape(grid.shape), grid), name) for name in names]


def test_a_case_that_is_deleted_elsewhere_leaves_the_panel(slicerApp, widgets):
    """As in the module Data, where cases are listed."""
    import slicer

    from MR2USProPanels.case import newCase

    first, second = current(), newCase("Second")
    slicer.modules.MR2USProWidget.showCurrentCase()
    slicer.mrmlScene.RemoveNode(second.parameterNode)
    slicerApp.process(0.05)
    assert widgets["Case"].caseComboBox.count == 1
    assert widgets["Case"].nameEdit.text == first.parameterNode.GetName()
    widgets["Align"].showStartCheckBox.checked = False
    assert not first.showStart


def test_an_mr_of_two_cases_is_let_go_of_by_the_one_that_is_deleted(registerPanel, pairCase, slicerApp):
    """As in the module Data, while it is shown at that case's start."""
    import slicer

    from MR2USProPanels.case import newCase

    registerPanel.start_from("centers")
    second = newCase("Second")
    second.mr, second.trus, second.start = pairCase.mr, pairCase.trus, "centers"
    registerPanel.widget.showCurrentCase()
    slicerApp.process(0.05)
    assert pairCase.mr.GetParentTransformNode() is second.pose
    slicer.mrmlScene.RemoveNode(second.parameterNode)
    slicerApp.process(0.05)
    assert pairCase.start == "centers"
    assert pairCase.startTransform is None
    assert pairCase.mr.GetParentTransformNode() is pairCase.pose


def test_a_reloaded_panel_shows_the_case(slicerApp):
    import slicer

    slicerApp.openModule("MR2USRegister")
    (mr,) = Volumes("Müller")
    slicer.modules.MR2USRegisterWidget.onReload()
    slicerApp.process(0.05)
    again = slicer.modules.MR2USRegisterWidget
    align = vars(again.sections[0])["ui"]
    align.mrSelector.setCurrentNode(mr)
    slicerApp.process(0.05)
    assert current().mr is mr
    assert align.useButton.text == "Choose the TRUS volume"


def test_a_removed_case_leaves_nothing_of_its_own(slicerApp, widgets):
    import slicer

    from MR2USProPanels.carrying import BY
    from MR2USProPanels.case import removeCase
    from MR2USProPanels.lossPlot import LossPlot
    from MR2USProPanels.positionsChart import chartNode, suspectsNode
    from MR2USProPanels.targetsSection import TARGETS

    before = nodes()
    case = current()
    suspects = [{"frame": 1, "position_mm": 2.0, "status": "ok", "reason": "faint"}]
    case.suspects = suspectsNode(suspects, "Suspect frames")
    case.positions = suspectsNode(suspects, "Positions")
    case.chart = chartNode(case.positions, suspects, "Course")
    plot = LossPlot()
    for n in range(3):
        plot.add("Register", n / 3, {"loss": 3.0 - n})
    case.losses = plot.chart
    case.mr, case.trus = Volumes("MR", "TRUS")
    target, copy = markups("Lesion", [[1, 2, 3]]), markups("Lesion on TRUS", [[1, 2, 3]])
    case.deformation = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLGridTransformNode", "MR to TRUS")
    copy.SetNodeReferenceID(BY, case.deformation.GetID())
    case.parameterNode.AddNodeReferenceID(TARGETS, target.GetID())
    removeCase(case)
    assert nodes() == [node for node in before if node[1] != "Case"]


def test_what_failed_in_one_case_is_not_told_in_another(registerPanel, monkeypatch, slicerApp):
    from MR2USProPanels.case import newCase

    monkeypatch.setattr("MR2USProPanels.jobRunner.workerPython", lambda: "no-such-python")
    registerPanel.case.mr, registerPanel.case.trus = Volumes("MR", "TRUS")
    slicerApp.process(0.05)
    registerPanel.run.click()
    slicerApp.waitUntil(lambda: not registerPanel.logic.runner.busy, 20)
    slicerApp.process(0.05)
    registerPanel.logic.runner.current.remove()
    assert registerPanel.row.messageLabel.visible
    assert "could not be started" in registerPanel.row.messageLabel.text
    newCase("Other")
    registerPanel.widget.showCurrentCase()
    slicerApp.process(0.05)
    assert not registerPanel.row.messageLabel.visible


def test_another_case_shows_nothing_of_the_last_patient(slicerApp, widgets):
    import slicer

    from MR2USProPanels import deformationDisplay, sliceLayers, sliceViews
    from MR2USProPanels.positionsChart import chartNode, suspectsNode
    from MR2USProPanels.targetsSection import TARGETS

    def seen():
        return {node.GetBackgroundVolumeID() for node in sliceLayers.compositeNodes()}

    def charts():
        return {node.GetPlotChartNodeID() for node in slicer.util.getNodesByClass("vtkMRMLPlotViewNode")}

    panel, case = slicer.modules.MR2USProWidget, current()
    case.mr, case.trus, case.magnitude = Volumes("MR", "TRUS", "Lengths")
    case.positions = suspectsNode([], "Positions")
    case.chart = chartNode(case.positions, [], "Course")
    sliceViews.arrange("FourUpPlotView")
    sliceViews.showChart(case.chart)
    target, hidden = markups("Lesion", [[1, 2, 3]]), markups("Hidden", [[1, 2, 3]])
    hidden.SetDisplayVisibility(False)
    for node in (target, hidden):
        case.parameterNode.AddNodeReferenceID(TARGETS, node.GetID())
    slicerApp.process(0.05)
    assert seen() == {case.trus.GetID()}
    assert charts() == {case.chart.GetID()}
    deformationDisplay.colored(case.magnitude)
    legend = slicer.vtkSlicerColorLogic.GetColorLegendDisplayNode(case.magnitude)
    assert legend.GetVisibility()
    widgets["Case"].newCaseButton.click()
    slicerApp.process(0.05)
    assert seen() == charts() == {None}
    assert not legend.GetVisibility()
    assert not target.GetDisplayVisibility()
    current().trus = Volumes("Other TRUS")[0]
    panel._onCaseChosen()
    assert seen() == {current().trus.GetID()}
    widgets["Case"].caseComboBox.activated(0)
    slicerApp.process(0.05)
    assert seen() == {case.trus.GetID()}
    assert charts() == {case.chart.GetID()}
    assert target.GetDisplayVisibility()
    assert not hidden.GetDisplayVisibility()


def test_a_sample_does_not_push_out_what_was_chosen_meanwhile(slicerApp, widgets, tmp_path):
    import slicer

    from MR2USPro import SimulatedExam

    panel = slicer.modules.MR2USProWidget
    case = current()
    chosen, simulated = Volumes("Chosen", "MR")
    case.mr = chosen
    slicerApp.process(0.05)
    segmentations = [slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode") for _ in range(2)]
    panel.caseSection._onSimulated(case, SimulatedExam(tmp_path, simulated, *segmentations))
    slicerApp.process(0.05)
    assert case.mr is chosen
    assert current().mr is simulated


def test_a_case_is_not_removed_under_its_job_and_its_name_is_typed_in_peace(slicerApp, widgets, monkeypatch):
    import slicer

    panel, form = slicer.modules.MR2USProWidget, widgets["Case"]
    runner = panel.logic.reconstructLogic.runner
    monkeypatch.setattr(type(runner), "busy", property(lambda self: self is runner))
    form.nameEdit.text, form.nameEdit.modified = "half a na", True
    runner.cancel()
    runner._tell()
    slicerApp.process(0.05)
    assert not form.removeCaseButton.enabled
    assert "A job is under way" in form.removeCaseButton.toolTip
    assert form.nameEdit.text == "half a na"
    monkeypatch.undo()
    runner._tell()
    slicerApp.process(0.05)
    assert form.removeCaseButton.enabled
    form.newCaseButton.click()
    slicerApp.process(0.05)
    assert form.nameEdit.text == current().parameterNode.GetName()


def test_views_that_were_chosen_during_a_registration_stay(slicerApp, tmp_path):
    from MR2USProLib.jobs.run import Run
    from MR2USProLib.volume import Grid, Volume
    from MR2USProPanels import sliceLayers
    from MR2USProPanels.jobRunner import JobRunner
    from MR2USProPanels.liveRegistration import LiveRegistration

    trus, mr, other = Volumes("TRUS", "MR", "Other")
    sliceLayers.show(trus, mr, 0.5)
    runner = JobRunner()
    runner.current = Run("register", {}, tmp_path)
    live = LiveRegistration(runner, trus)
    grid = Grid((4, 4, 4))
    Volume(grid.points()[..., 0].astype("float32"), grid).write(tmp_path / "preview.nrrd")
    live.hear({"event": "preview", "file": "preview.nrrd"}, visible=False)
    assert {node.GetForegroundVolumeID() for node in sliceLayers.compositeNodes()} == {mr.GetID()}
    live.hear({"event": "progress", "stage": "Register", "fraction": 0.5}, visible=True)  # somebody has come back
    red, *others = sliceLayers.compositeNodes()
    assert red.GetForegroundVolumeID() not in (mr.GetID(), None)
    red.SetForegroundVolumeID(other.GetID())
    live.end(keepPlot=False)
    runner.cleanup()
    assert red.GetForegroundVolumeID() == other.GetID()
    assert {node.GetForegroundVolumeID() for node in others} == {mr.GetID()}


@pytest.mark.parametrize("going", ["reload", "quit"])
def test_no_job_outlives_its_panel(registerPanel, registering, slicerApp, going):
    import slicer

    run = registerPanel.logic.runner.current
    if going == "reload":
        registerPanel.widget.onReload()
    else:
        slicer.app.aboutToQuit()
    slicerApp.process(0.05)
    assert run._process.poll() is not None
    assert not run.job.folder.exists()
    assert not registerPanel.logic.runner.busy


def test_a_registration_ends_while_another_module_is_open(registerPanel, pairCase, registering, slicerApp):
    import slicer

    slicerApp.openModule("MR2USReconstruct")
    layers = [node.GetForegroundVolumeID() for node in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")]
    registering()
    composites = slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
    assert [node.GetForegroundVolumeID() for node in composites] == layers
    slicerApp.openModule("MR2USRegister")
    assert registerPanel.run.text == "Register again"
    assert {node.GetForegroundVolumeID() for node in composites} == {pairCase.warped.GetID()}


def test_a_registration_is_seen_in_its_own_case_alone(registerPanel, pairCase, registering, slicerApp):
    from MR2USProPanels.case import newCase, setCurrentCase

    newCase("Another patient")
    registerPanel.widget.showCurrentCase()
    slicerApp.process(0.2)
    assert not registerPanel.row.progressBar.visible
    assert not registerPanel.row.messageLabel.visible
    name = pairCase.parameterNode.GetName()
    assert registerPanel.run.text == registerPanel.run.toolTip == f"Busy with {name}: choose it to cancel"
    setCurrentCase(pairCase)
    registerPanel.widget.showCurrentCase()
    slicerApp.process(0.2)
    assert registerPanel.run.text == "Cancel"
    assert registerPanel.row.progressBar.visible
    runner = registerPanel.logic.runner
    assert runner.caseNode is pairCase.parameterNode
    registering()
    assert runner.caseNode is None  # a job that a script starts next is nobody's
    assert registerPanel.run.text == "Register again"


def test_a_result_is_reviewed_while_another_case_is_registered(
    registerPanel, pairCase, knownPair, registering, slicerApp, tmp_path
):
    from MR2USProPanels.case import newCase

    other = newCase("Another patient")
    other.mr, other.trus = pairCase.mr, pairCase.trus
    keep_result(other, knownPair, tmp_path / "other")
    registerPanel.widget.showCurrentCase()
    slicerApp.process(0.05)
    assert registerPanel.review.reviewComboBox.enabled
    assert "under way" not in registerPanel.review.whatLabel.text
    assert shown((other.trus.GetID(), other.warped.GetID(), 0.5))
    registering()


def test_what_came_of_another_pair_stays(registerPanel, resultCase, slicerApp, request):
    import slicer

    from MR2USProLib.mrml import volume_node, volume_of

    first, carry = resultCase.warped, registerPanel.targets.carryButton
    before = slicer.util.arrayFromVolume(first).copy()
    resultCase.mr, right = volume_node(volume_of(resultCase.mr), "Another MR"), resultCase.mr
    slicerApp.process(0.05)
    assert "of other images than those chosen now" in registerPanel.register.verdictLabel.text
    assert carry.text == "Register again first"
    resultCase.mr = right
    slicerApp.process(0.05)
    assert "of other images" not in registerPanel.register.verdictLabel.text
    assert carry.text == "Check what is to be carried"
    resultCase.mr = slicer.mrmlScene.GetFirstNodeByName("Another MR")
    slicerApp.process(0.05)
    request.getfixturevalue("registering")()
    assert resultCase.warped is not first
    assert slicer.mrmlScene.IsNodePresent(first)
    assert (slicer.util.arrayFromVolume(first) == before).all()
    assert "of other images" not in registerPanel.register.verdictLabel.text


def test_a_volume_that_is_made_anew_outdates_its_registration(registerPanel, resultCase, slicerApp):
    from MR2USProPanels.reconstructed import keepFilling
    from MR2USProPanels.reconstructionNodes import Filled

    assert registerPanel.section("Register").done()
    keepFilling(resultCase, Filled(resultCase.trus))
    slicerApp.process(0.05)
    assert not registerPanel.section("Register").done()
    assert "of other images than those chosen now" in registerPanel.register.verdictLabel.text
    assert "made anew" in registerPanel.review.whatLabel.text  # what was registered would lie on another volume
    assert not registerPanel.review.reviewComboBox.enabled
    assert registerPanel.section("Review").need() == "Register again first"


def test_a_volume_that_is_made_anew_during_its_registration_outdates_it(
    registerPanel, pairCase, registering, slicerApp
):
    from MR2USProLib.mrml import volume_node, volume_of

    volume_node(volume_of(pairCase.trus), "TRUS volume", pairCase.trus)
    registering()
    assert pairCase.warped is not None
    assert not registerPanel.section("Register").done()
    assert "of other images than those chosen now" in registerPanel.register.verdictLabel.text
    assert "made anew" in registerPanel.review.whatLabel.text


def test_a_case_can_be_removed_while_another_one_is_worked_on(slicerApp, widgets, monkeypatch):
    import slicer

    from MR2USProPanels.case import newCase

    panel, form = slicer.modules.MR2USProWidget, widgets["Case"]
    runner, worked = panel.logic.reconstructLogic.runner, newCase("Worked on")
    newCase("Another")
    panel.showCurrentCase()
    monkeypatch.setattr(type(runner), "busy", property(lambda self: self is runner))
    monkeypatch.setattr(runner, "caseNode", worked.parameterNode)
    runner._tell()
    slicerApp.process(0.05)
    assert form.removeCaseButton.enabled
    form.caseComboBox.activated(1)
    slicerApp.process(0.05)
    assert not form.removeCaseButton.enabled
    monkeypatch.undo()
    runner._tell()


def test_a_registration_whose_images_are_deleted_meanwhile_still_ends(registerPanel, pairCase, registering, slicerApp):
    import slicer

    for node in (pairCase.mr, pairCase.trus):
        slicer.mrmlScene.RemoveNode(node)
    registering()
    assert registerPanel.run.text == "Choose the MR"
    assert registerPanel.review.whatLabel.text.startswith("Nothing to review: what was registered")
    assert pairCase.warped is not None


def test_a_registration_whose_case_is_deleted_meanwhile_leaves_nothing(pairCase, registering, slicerApp):
    import slicer

    before = [node for node in nodes() if node[1] != pairCase.parameterNode.GetName()]
    slicer.mrmlScene.RemoveNode(pairCase.parameterNode)
    registering()
    slicer.mrmlScene.RemoveNode(current().parameterNode)
    assert [node for node in nodes() if node[0] != "vtkMRMLScriptedModuleNode"] == before


def test_volumes_that_cannot_make_a_pair_are_told_before_anything_starts(registerPanel, pairCase, slicerApp):
    import slicer

    empty = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Über")
    mr, trus = pairCase.mr, pairCase.trus
    for wrong, words in (
        ((mr, mr), "Choose two different volumes"),
        ((empty, trus), "Choose an MR that is not empty"),
        ((mr, empty), "Choose a TRUS volume that is not empty"),
    ):
        pairCase.mr, pairCase.trus = wrong
        for start in STARTS:
            registerPanel.start_from(start)
            assert registerPanel.run.text == registerPanel.align.useButton.text == words
            assert not registerPanel.run.enabled
            assert not registerPanel.align.placeBoxesButton.enabled
