"""The stand-in is as strict as PythonQt: mistakes that PySide6 lets pass must fail here."""

import importlib.util
import os
import pathlib
import subprocess
import sys

import pytest

TESTING = pathlib.Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def truth():
    pytest.importorskip("slicer", reason="slicer-core has no wheel for this machine", exc_type=ImportError)
    from standin import Standin

    Standin.start()
    spec = importlib.util.spec_from_file_location("QtTruth", TESTING / "Slicer" / "QtTruth.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_standin_behaves_as_pythonqt(slicerApp, truth):
    wrong = truth.failures(truth.CHECKS)
    assert not wrong, "\n".join(wrong.values())
    assert len(truth.CHECKS) > 25
    errors = slicerApp.errors
    assert [e.splitlines()[-1] for e in errors] == ["ZeroDivisionError: division by zero"]  # noted, as one check wants
    errors.clear()


def test_the_standin_raises_where_slicer_only_prints(slicerApp, truth):
    wrong = truth.failures(truth.DEVIATIONS)
    assert not wrong, "\n".join(wrong.values())


def test_a_check_that_does_not_hold_is_reported(slicerApp, truth):
    def wrong():
        assert truth.qt.QPushButton("a").text == "b"

    assert list(truth.failures([wrong])) == ["wrong"]


def test_a_slot_that_raises_is_noted(slicerApp):
    import qt

    button = qt.QPushButton()
    button.connect("clicked()", lambda: {}["missing"])
    button.click()
    assert "KeyError: 'missing'" in slicerApp.errors[0]
    slicerApp.errors.clear()


def test_a_complaint_of_qt_is_noted(slicerApp):
    import qt

    widget = qt.QWidget()
    layouts = [qt.QVBoxLayout(widget), qt.QVBoxLayout(widget)]
    assert len(layouts) == 2
    assert "already has a layout" in slicerApp.errors[0]
    slicerApp.errors.clear()


def test_dialogs_are_answered_and_noted(slicerApp):
    import qt
    import slicer

    assert slicer.util.confirmYesNoDisplay("Go on?")
    with slicerApp.answering(confirm=False, openFile="/a/b.mp4"):
        assert not slicer.util.confirmOkCancelDisplay("Sure?")
        assert qt.QFileDialog.getOpenFileName(None, "Open", "", "*.mp4") == "/a/b.mp4"
        assert qt.QMessageBox.question(None, "Title", "Really?") == qt.QMessageBox.No
    slicer.util.errorDisplay("Broken.")
    qt.QDesktopServices.openUrl(qt.QUrl("https://example.org"))
    said = [("confirm", "Go on?"), ("confirm", "Sure?"), ("confirm", "Really?"), ("error", "Broken.")]
    assert slicerApp.messages == said
    assert slicerApp.openedUrls == ["https://example.org"]
    with pytest.raises(AssertionError, match="modal QDialog"):
        qt.QDialog().exec_()


def test_waiting_fails_when_nothing_comes(slicerApp):
    import qt

    seen = []
    qt.QTimer.singleShot(10, lambda: seen.append(1))
    slicerApp.waitUntil(lambda: seen, seconds=5)
    with pytest.raises(AssertionError, match="still waiting"):
        slicerApp.waitUntil(lambda: False, seconds=0.05)


def test_settings_are_those_of_a_user_without_any(slicerApp):
    import qt
    import slicer

    qt.QSettings().setValue("MR2USPro/Device", "cpu")
    assert slicer.util.settingsValue("MR2USPro/Device", "auto") == "cpu"
    slicerApp.reset()
    assert slicer.util.settingsValue("MR2USPro/Device", "auto") == "auto"
    assert str(slicerApp.folder) in qt.QSettings().fileName()


UI = """<ui version="4.0"><widget class="qMRMLWidget" name="root"><layout class="QVBoxLayout" name="column">
<item><widget class="{kind}" name="one"><property name="{label}"><string>x</string></property></widget></item>
</layout></widget><connections><connection><sender>root</sender><signal>{signal}</signal>
<receiver>one</receiver><slot>{slot}</slot></connection></connections></ui>"""
RIGHT = {
    "kind": "qMRMLNodeComboBox",
    "label": "baseName",
    "signal": "mrmlSceneChanged(vtkMRMLScene*)",
    "slot": "setMRMLScene(vtkMRMLScene*)",
}


def load_ui(folder, **wrong):
    import slicer

    (folder / "a.ui").write_text(UI.format(**{**RIGHT, **wrong}))
    return slicer.util.loadUI(str(folder / "a.ui"))


def test_a_ui_file_passes_the_scene_on(slicerApp, tmp_path):
    import slicer

    widget = load_ui(tmp_path)
    widget.setMRMLScene(slicer.mrmlScene)
    assert widget.one.baseName == "x"
    assert widget.one.mrmlScene() is slicer.mrmlScene


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "qMRMLNodeComboBx"},
        {"label": "basename"},
        {"kind": "QLabel", "label": "txt", "slot": "clear()"},
        {"signal": "mrmlSceneChange(vtkMRMLScene*)"},
        {"slot": "setMrmlScene(vtkMRMLScene*)"},
    ],
)
def test_a_mistake_in_a_ui_file_is_an_error(slicerApp, tmp_path, wrong):
    with pytest.raises((RuntimeError, ValueError, AttributeError)):
        load_ui(tmp_path, **wrong)


def test_stand_ins_have_no_name_that_the_real_classes_lack(slicerApp):
    from standin.declared import API
    from standin.facade import facadeOf
    from standin.ui import CUSTOM

    assert {"ctkCollapsibleButton", "qMRMLNodeComboBox", "qSlicerMarkupsPlaceWidget"} < set(CUSTOM)
    for name, qtClass in CUSTOM.items():
        native = next(c for c in qtClass.__mro__ if c.__module__.startswith("PySide6"))
        allowed = set(dir(facadeOf(native)))
        for base in (c.__name__ for c in qtClass.__mro__ if c.__name__ in API):
            entry = API[base]
            allowed |= {s.partition("(")[0] for s in entry["signals"] + entry["slots"] + entry["invokables"]}
            allowed |= set(entry["properties"])
            constants = vars(next(c for c in qtClass.__mro__ if c.__name__ == base)).get("_constants", {})
            allowed |= set(constants)
        assert set(dir(facadeOf(qtClass))) <= allowed, name
        assert set(API[name]["properties"]) <= set(dir(facadeOf(qtClass)))


@pytest.mark.skipif("SLICER_SOURCE" not in os.environ, reason="SLICER_SOURCE names no checkout of Slicer")
def test_slicers_own_python_files_behave_the_same():
    files = [str(TESTING / "Python" / f"test_standin_{topic}.py") for topic in ("canaries", "module")]
    for source in (os.environ["SLICER_SOURCE"], ""):
        environment = {**os.environ, "SLICER_SOURCE": source}
        command = [sys.executable, "-m", "pytest", "-k", "not slicers_own", *files]
        result = subprocess.run(
            command, env=environment, cwd=TESTING.parent, capture_output=True, text=True, check=False
        )
        assert result.returncode == 0, result.stdout
