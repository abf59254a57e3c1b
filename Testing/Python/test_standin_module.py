"""A scripted module in the stand-in: it opens, follows the scene, survives save and load, and has its picture taken."""

import pathlib

import pytest

SAMPLE = pathlib.Path(__file__).parent / "StandinSample"


@pytest.fixture
def panel(slicerApp):
    return slicerApp.openModule("StandinSample", SAMPLE)


def add_volume(name):
    import numpy as np
    import slicer

    z, y, x = np.mgrid[:20, :30, :40]
    inside = (((z - 10) / 8) ** 2 + ((y - 15) / 10) ** 2 + ((x - 20) / 12) ** 2 < 1) * 100.0
    volume = slicer.util.addVolumeFromArray(inside, name=name)
    volume.CreateDefaultDisplayNodes()
    return volume


def test_a_module_is_known_to_slicer(panel):
    import slicer

    assert slicer.modules.standinsample.title == "Stand-in sample"
    assert slicer.modules.standinsample.categories == ("Registration",)
    assert slicer.modules.StandinSampleInstance.started == 1
    assert slicer.modules.StandinSampleWidget is panel
    assert slicer.util.getModuleWidget("StandinSample") is panel
    assert slicer.util.getModuleLogic("StandinSample") is panel.logic
    assert pathlib.Path(slicer.util.modulePath("StandinSample")) == SAMPLE / "StandinSample.py"
    with pytest.raises(ValueError, match="no module Nothing"):
        from standin import Standin

        Standin.start().loadModule("Nothing")


def test_widgets_and_parameters_follow_each_other(panel):
    ui, case = panel.ui, panel._parameterNode
    assert (ui.imageThresholdSliderWidget.value, ui.repeatsBox.value) == (20.0, 3)
    assert (ui.methodBox.currentText, ui.presetBox.currentText) == ("Thorough", "large")
    assert (ui.imageThresholdSliderWidget.minimum, ui.imageThresholdSliderWidget.maximum) == (-100.0, 200.0)
    ui.imageThresholdSliderWidget.value = 31.5
    ui.invertBox.checked = True
    ui.methodBox.currentIndex = 0
    ui.folderEdit.currentPath = "/some/where"
    assert (case.threshold, case.invert, case.method.name) == (31.5, True, "FAST")
    assert case.folder == pathlib.Path("/some/where")
    case.preset, case.repeats = "small", 5
    assert (ui.presetBox.currentText, ui.repeatsBox.value) == ("small", 5)


@pytest.mark.parametrize(
    ("name", "value", "kind"),
    [
        ("threshold", 201.0, ValueError),
        ("preset", "huge", ValueError),
        ("repeats", 0, ValueError),
        ("note", None, ValueError),
        ("note", 3, TypeError),
        ("inputVolume", "MR", TypeError),
    ],
)
def test_wrong_values_are_refused(panel, name, value, kind):
    with pytest.raises(kind):
        setattr(panel._parameterNode, name, value)


def test_a_volume_enables_the_button_and_leaving_disables_it(panel):
    import slicer

    assert not panel.ui.applyButton.enabled
    volume = add_volume("MR")
    panel.ui.inputSelector.setCurrentNode(volume)
    assert panel._parameterNode.inputVolume is volume
    assert panel.ui.applyButton.enabled
    slicer.mrmlScene.RemoveNode(volume)
    assert panel._parameterNode.inputVolume is None
    assert not panel.ui.applyButton.enabled


def test_the_button_does_its_work_or_says_what_is_wrong(panel, slicerApp):
    import slicer

    panel._parameterNode.inputVolume = add_volume("MR")
    panel.ui.applyButton.click()
    assert slicerApp.messages == [("info", "Done in 0 s")]
    assert panel.ui.progressBar.visible
    panel._parameterNode.inputVolume = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    panel.ui.applyButton.click()
    assert slicerApp.messages[1] == ("error", "Failed to compute results.\n\nThe volume is empty")
    assert "The volume is empty" in slicerApp.errors.pop()


def test_closing_the_scene_gives_new_parameters(panel, slicerApp):
    panel._parameterNode.threshold = 99.0
    slicerApp.clearScene()
    assert panel._parameterNode.threshold == 20.0
    assert panel.ui.imageThresholdSliderWidget.value == 20.0


@pytest.mark.parametrize("name", ["case.mrb", "case.mrml"])
def test_parameters_survive_save_and_load(panel, slicerApp, tmp_path, name):
    case = panel._parameterNode
    case.inputVolume = add_volume("MR")
    case.threshold, case.note = 12.25, "as it was = é"
    case.method = type(case.method).FAST
    case.names.append("apex")
    case.names.append("base")
    case.weights = {"a": 0.5}
    case.folder = pathlib.Path("/some/where")
    slicerApp.saveScene(tmp_path / name)
    slicerApp.clearScene()
    slicerApp.loadScene(tmp_path / name)
    case = panel.logic.getParameterNode()
    assert case.inputVolume.GetName() == "MR"
    assert case.inputVolume.GetImageData().GetDimensions() == (40, 30, 20)
    assert (case.threshold, case.note, case.method.name) == (12.25, "as it was = é", "FAST")
    assert list(case.names) == ["apex", "base"]
    assert dict(case.weights) == {"a": 0.5}
    assert case.folder == pathlib.Path("/some/where")


def test_a_disconnected_widget_leaves_the_parameter_alone(panel):
    case = panel._parameterNode
    panel.exit()
    panel.ui.imageThresholdSliderWidget.value = 55.0
    assert case.threshold == 20.0
    panel.enter()
    assert panel.ui.imageThresholdSliderWidget.value == 20.0


def test_a_node_list_filters_by_class_and_attribute(slicerApp):
    import slicer

    combo = slicer.qMRMLNodeComboBox()
    combo.nodeTypes = ["vtkMRMLVolumeNode"]
    combo.noneEnabled = True
    combo.setMRMLScene(slicer.mrmlScene)
    add_volume("a")
    label = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "b")
    hidden = add_volume("c")
    hidden.SetHideFromEditors(True)
    assert combo.nodeCount() == 2
    combo.addAttribute("vtkMRMLVolumeNode", "role", "truth")
    assert combo.nodeCount() == 0
    label.SetAttribute("role", "truth")
    assert [combo.nodeFromIndex(0)] == [label]
    combo.removeAttribute("vtkMRMLVolumeNode", "role")
    combo.showChildNodeTypes = False
    combo.nodeTypes = ["vtkMRMLScalarVolumeNode"]
    assert combo.nodeCount() == 1  # a label map is a scalar volume too, and no longer shown
    combo.setCurrentNode(label)
    assert combo.currentNode() is None
    made = combo.addNode()
    assert combo.currentNode() is made


def test_pictures_show_the_panel_and_the_scene(panel, slicerApp, tmp_path):
    import slicer
    from PySide6.QtGui import QImage

    slicerApp.picture(panel, tmp_path / "panel.png")
    image = QImage(str(tmp_path / "panel.png"))
    assert image.width() == 480
    assert 150 < image.height() < 600
    slicerApp.viewsPicture(tmp_path / "empty.png", (300, 300))
    slicer.util.setSliceViewerLayers(background=add_volume("MR"), fit=True)
    slicerApp.viewsPicture(tmp_path / "full.png", (300, 300))
    assert QImage(str(tmp_path / "empty.png")).pixelColor(75, 86).value() < 20
    assert QImage(str(tmp_path / "full.png")).pixelColor(75, 86).value() > 150
    slicerApp.windowPicture(panel, tmp_path / "window.png", (900, 500))
    assert QImage(str(tmp_path / "window.png")).width() == 900


def test_pictures_follow_the_layout(slicerApp, tmp_path):
    import slicer
    from PySide6.QtGui import QImage

    def bars(layout):
        slicer.app.layoutManager().setLayout(getattr(slicer.vtkMRMLLayoutNode, f"SlicerLayout{layout}"))
        slicerApp.viewsPicture(tmp_path / "views.png", (400, 300))
        image = QImage(str(tmp_path / "views.png"))
        return [image.pixelColor(x, y).name() for x, y in ((20, 3), (220, 3), (20, 155), (220, 155))]

    red, blue, green, yellow = "#f34a4a", "#7483d6", "#6eb04b", "#edd54c"
    try:
        assert bars("OneUpRedSliceView")[:2] == [red, red]
    finally:
        assert bars("FourUpView") == [red, blue, green, yellow]


@pytest.mark.parametrize("kind", ["Volume", "LabelVolume", "Markups", "Transform"])
def test_files_are_written_and_read(slicerApp, tmp_path, kind):
    import slicer

    make = {
        "Volume": ("vtkMRMLScalarVolumeNode", "a.nrrd"),
        "LabelVolume": ("vtkMRMLLabelMapVolumeNode", "a.nrrd"),
        "Markups": ("vtkMRMLMarkupsFiducialNode", "a.mrk.json"),
        "Transform": ("vtkMRMLLinearTransformNode", "a.h5"),
    }
    name, file = make[kind]
    node = slicer.mrmlScene.AddNewNodeByClass(name)
    if kind.endswith("Volume"):
        node.SetAndObserveImageData(add_volume("MR").GetImageData())
    if kind == "Markups":
        node.AddControlPoint(1, 2, 3)
    assert slicer.util.saveNode(node, str(tmp_path / file))
    read = getattr(slicer.util, f"load{kind}")(str(tmp_path / file))
    assert read is not node
    assert read.IsA(name) or kind == "Transform"
    with pytest.raises(RuntimeError, match="no file"):
        getattr(slicer.util, f"load{kind}")(str(tmp_path / "missing.nrrd"))


def test_a_reloaded_panel_works(panel, slicerApp):
    import slicer

    slicer.util.reloadScriptedModule("StandinSample")
    again = slicer.modules.StandinSampleWidget
    assert again is not panel
    again.ui.imageThresholdSliderWidget.value = 66.0
    assert again._parameterNode.threshold == 66.0


def test_no_test_installs_packages(slicerApp):
    import slicer

    slicer.packaging.pip_ensure(["no-such-package>=3"], requester="MR2USPro")
    assert [level for level, _ in slicerApp.messages] == ["confirm", "install"]
    slicerApp.answers["confirm"] = False
    with pytest.raises(RuntimeError):
        slicer.packaging.pip_ensure(["no-such-package>=3"], requester="MR2USPro")


def test_a_plot_is_drawn_in_its_color(slicerApp, tmp_path):
    import numpy as np
    import slicer
    from PySide6.QtGui import QImage

    values = np.column_stack([np.arange(20.0), np.arange(20.0) ** 2])
    chart = slicer.util.plot(values, 0, columnNames=["frame", "position"], show=False)
    series = chart.GetNthPlotSeriesNode(0)
    series.SetColor(1, 0, 0)
    slicerApp.plotPicture(chart, tmp_path / "plot.png", (300, 200))
    image = QImage(str(tmp_path / "plot.png"))
    colors = [image.pixelColor(x, y).getRgb()[:3] for x in range(300) for y in range(200)]
    assert sum(r > 200 and g < 80 and b < 80 for r, g, b in colors) > 100


def test_a_place_button_places_in_the_scene(slicerApp):
    import slicer

    widget = slicer.qSlicerMarkupsPlaceWidget()
    widget.setMRMLScene(slicer.mrmlScene)
    assert not widget.placeButton().enabled
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode")
    seen = []
    widget.connect("activeMarkupsPlaceModeChanged(bool)", seen.append)
    widget.setCurrentNode(node)
    widget.placeButton().click()
    interaction = slicer.app.applicationLogic().GetInteractionNode()
    assert interaction.GetCurrentInteractionMode() == interaction.Place
    assert slicer.app.applicationLogic().GetSelectionNode().GetActivePlaceNodeID() == node.GetID()
    interaction.SetCurrentInteractionMode(interaction.ViewTransform)  # as Escape does
    assert not widget.placeModeEnabled
    assert seen == [True, False]
    node.AddControlPoint(1, 2, 3)
    widget.deleteButton().click()
    assert node.GetNumberOfControlPoints() == 0


def test_a_segment_is_picked(slicerApp):
    import slicer

    widget = slicer.qMRMLSegmentSelectorWidget()
    widget.setMRMLScene(slicer.mrmlScene)
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    first = node.GetSegmentation().AddEmptySegment("a", "Prostate")
    second = node.GetSegmentation().AddEmptySegment("b", "Urethra")
    widget.setCurrentNode(node)
    assert widget.currentSegmentID() == first
    seen = []
    widget.connect("currentSegmentChanged(QString)", seen.append)
    widget.setCurrentSegmentID(second)
    assert (seen, widget.currentSegmentID()) == ([second], "b")


def test_a_list_of_nodes_lets_go_of_the_scene(slicerApp):
    import gc
    import weakref

    import slicer

    node = add_volume("MR")
    combo = slicer.qMRMLNodeComboBox()
    combo.nodeTypes = ["vtkMRMLScalarVolumeNode"]
    combo.setMRMLScene(slicer.mrmlScene)
    assert combo.currentNode() is node
    gone = weakref.ref(combo._qt)
    del combo
    gc.collect()
    assert gone() is None
    node.SetName("renamed")


def test_checked_nodes_stay_checked(slicerApp):
    import slicer

    combo = slicer.qMRMLCheckableNodeComboBox()
    combo.nodeTypes = ["vtkMRMLScalarVolumeNode"]
    combo.setMRMLScene(slicer.mrmlScene)
    first, second = add_volume("a"), add_volume("b")
    seen = []
    combo.connect("checkedNodesChanged()", lambda: seen.append(1))
    combo.check(second)
    add_volume("c")
    assert combo.checkedNodes() == (second,)
    assert first in combo.uncheckedNodes()
    assert seen == [1]
