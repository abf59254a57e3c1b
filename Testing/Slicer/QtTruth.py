"""How PythonQt behaves, as a list of checks: in a real Slicer and on the stand-in that the tests use, it must be true.

In Slicer: ``Slicer --no-main-window --python-script QtTruth.py`` prints what is not so, and exits with its number.
``DEVIATIONS`` are checks that only the stand-in has to pass, because it raises where Slicer prints and goes on.
"""

import traceback
from collections.abc import Callable
from typing import Any

import ctk
import qt
import slicer

CHECKS: list[Callable[[], None]] = []
DEVIATIONS: list[Callable[[], None]] = []


def check(function: Callable[[], None]) -> Callable[[], None]:
    CHECKS.append(function)
    return function


def deviation(function: Callable[[], None]) -> Callable[[], None]:
    DEVIATIONS.append(function)
    return function


def raises(action: Callable[[], Any], *kinds: type[BaseException]) -> None:
    """Fail where the action does not raise one of these."""
    try:
        action()
    except kinds:
        return
    raise AssertionError(f"nothing of {[kind.__name__ for kind in kinds]} was raised")


# Properties


@check
def aPropertyIsReadAndWrittenAsAnAttribute() -> None:
    button = qt.QPushButton("a")
    assert button.text == "a"
    button.text = "b"
    assert button.text == "b"
    button.setText("c")
    assert button.text == "c"
    button.enabled = False
    assert button.enabled is False


@check
def aPropertyCannotBeCalled() -> None:
    button = qt.QPushButton("a")
    raises(lambda: button.text(), TypeError)
    raises(lambda: qt.QSpinBox().value(), TypeError)
    raises(lambda: ctk.ctkSliderWidget().value(), TypeError)


@check
def aNameThatDoesNotExistCannotBeWritten() -> None:
    button, slider = qt.QPushButton(), ctk.ctkSliderWidget()
    raises(lambda: setattr(button, "txet", "x"), AttributeError)
    raises(lambda: setattr(slider, "minimun", 1.0), AttributeError)
    raises(lambda: button.txet, AttributeError)


@check
def aPropertyTakesItsOwnTypeOnly() -> None:
    raises(lambda: setattr(qt.QSpinBox(), "value", "three"), AttributeError)
    raises(lambda: setattr(qt.QPushButton(), "enabled", object()), AttributeError)


@check
def aReadOnlyPropertyCannotBeWritten() -> None:
    raises(lambda: setattr(qt.QComboBox(), "count", 3), AttributeError)


@check
def nameIsTheObjectName() -> None:
    label = qt.QLabel()
    label.name = "one"
    assert label.objectName == "one"
    label.objectName = "two"
    assert label.name == "two"


@check
def childrenAreAttributesByName() -> None:
    parent = qt.QWidget()
    child = qt.QPushButton("x", parent)
    child.name = "theChild"
    assert parent.theChild.text == "x"


@check
def propertiesMayBeAddedOneByOne() -> None:
    widget = qt.QWidget()
    widget.setProperty("SlicerParameterName", "threshold")
    assert widget.property("SlicerParameterName") == "threshold"
    assert widget.property("Nothing") is None


@check
def singleShotIsTheStaticFunction() -> None:
    timer = qt.QTimer()
    raises(lambda: setattr(timer, "singleShot", True), AttributeError)
    timer.setSingleShot(True)
    assert callable(qt.QTimer.singleShot)


# Signals


@check
def aSignalIsConnectedByItsSignature() -> None:
    seen: list[Any] = []
    box = qt.QCheckBox()
    box.connect("toggled(bool)", seen.append)
    box.checked = True
    assert seen == [True]


@check
def aSignalIsConnectedByItsName() -> None:
    seen: list[Any] = []
    box = qt.QSpinBox()
    box.valueChanged.connect(seen.append)
    box.value = 7
    assert seen == [7]


@check
def argumentsAreTrimmedToWhatAFunctionTakes() -> None:
    seen: list[str] = []
    box = qt.QCheckBox()
    box.connect("toggled(bool)", lambda: seen.append("none"))
    box.connect("toggled(bool)", lambda value: seen.append(f"one {value}"))
    box.checked = True
    assert seen == ["none", "one True"]


@check
def aDefaultIsOverwrittenByTheArgument() -> None:
    seen: list[Any] = []
    box = qt.QCheckBox()
    box.connect("toggled(bool)", lambda value="mine": seen.append(value))
    box.checked = True
    assert seen == [True]


@check
def aConnectionCanBeUndone() -> None:
    seen: list[Any] = []

    def note(value: bool) -> None:
        seen.append(value)

    box = qt.QCheckBox()
    box.connect("toggled(bool)", note)
    box.disconnect("toggled(bool)", note)
    box.checked = True
    assert seen == []


@check
def aConnectionHoldsOnToItsFunction() -> None:
    seen: list[Any] = []

    class Receiver:
        def take(self, value: bool) -> None:
            seen.append(value)

    box = qt.QCheckBox()
    box.connect("toggled(bool)", Receiver().take)
    box.checked = True
    assert seen == [True]


@check
def aSignalIsEmittedByCallingIt() -> None:
    seen: list[Any] = []
    button = qt.QPushButton()
    button.connect("clicked(bool)", seen.append)
    button.clicked(True)
    assert seen == [True]


@check
def aSignalLeadsToASlotOfAnotherObject() -> None:
    box, target = qt.QCheckBox(), qt.QLabel()
    target.enabled = False
    box.connect("toggled(bool)", target, "setEnabled(bool)")
    box.checked = True
    assert target.enabled


@check
def anExceptionInASlotDoesNotReachTheSender() -> None:
    box = qt.QCheckBox()
    box.connect("toggled(bool)", lambda value: 1 / 0)
    box.checked = True
    assert box.checked


@deviation
def aSignalThatDoesNotExistCannotBeConnected() -> None:
    raises(lambda: qt.QPushButton().connect("clickd(bool)", print), ValueError)
    raises(lambda: qt.QPushButton().connect("clicked(int)", print), ValueError)
    raises(lambda: slicer.qMRMLNodeComboBox().connect("currentNodeChange(vtkMRMLNode*)", print), ValueError)
    raises(lambda: qt.QComboBox().connect("currentIndexChanged(QString)", print), ValueError)


# Calls


@check
def keywordArgumentsAreRefused() -> None:
    raises(lambda: qt.QPushButton(text="a"), ValueError)
    raises(lambda: qt.QPushButton().setText(text="a"), ValueError)
    raises(lambda: qt.QLabel("a", parent=None), ValueError)


@check
def listsOfQtComeAsTuples() -> None:
    combo = slicer.qMRMLNodeComboBox()
    combo.nodeTypes = ["vtkMRMLScalarVolumeNode"]
    assert combo.nodeTypes == ("vtkMRMLScalarVolumeNode",)
    assert isinstance(qt.QWidget().children(), tuple)


@check
def enumerationsAreIntegersOnClassesAndObjects() -> None:
    assert qt.QMessageBox.Ok == 0x400
    assert qt.QMessageBox().Ok == 0x400
    assert isinstance(qt.Qt.AlignLeft, int)
    assert int(qt.QMessageBox.Ok | qt.QMessageBox.Cancel) == 0x400400
    assert qt.QSizePolicy.Expanding == qt.QSizePolicy().Expanding


@check
def allWrappersHaveOneBase() -> None:
    button = qt.QPushButton()
    assert not isinstance(button, qt.QWidget)
    assert type(button) is qt.QPushButton
    assert button.inherits("QWidget")
    assert button.className() == "QPushButton"


@check
def twoWrappersOfOneObjectAreEqual() -> None:
    parent = qt.QWidget()
    child = qt.QLabel(parent)
    assert parent.children()[0] == child
    assert child.parent() == parent


@check
def execHasAnUnderscore() -> None:
    assert callable(qt.QDialog().exec_)


@check
def aDeletedObjectCannotBeUsed() -> None:
    label = qt.QLabel("x")
    label.delete()
    raises(lambda: label.text, ValueError)


@check
def whatOnlyPySideHasIsNotThere() -> None:
    button = qt.QPushButton()
    for owner, name in ((qt, "Signal"), (qt, "QtWidgets"), (qt, "Slot"), (button, "staticMetaObject")):
        if owner is qt and name in ("Signal", "Slot"):
            continue  # the newest PythonQt has these two
        raises(lambda owner=owner, name=name: getattr(owner, name), AttributeError)


@deviation
def whatNotEverySlicerHasIsNotThere() -> None:
    for name in ("Signal", "Slot", "Property"):
        raises(lambda name=name: getattr(qt, name), AttributeError)
    raises(lambda: qt.QPushButton().clicked.emit(True), AttributeError)
    raises(lambda: qt.Qt.AlignmentFlag.AlignLeft, AttributeError)
    raises(lambda: qt.QTableWidget().setItem(row=0), ValueError)


# Classes derived in Python


@check
def aDerivedClassTakesAnyAttributeAndVirtualCalls() -> None:
    class Wide(qt.QWidget):
        def __init__(self) -> None:
            super().__init__()
            self.mine = 3

        def sizeHint(self) -> Any:
            return qt.QSize(321, 45)

    holder = qt.QWidget()
    layout = qt.QHBoxLayout(holder)
    layout.setContentsMargins(0, 0, 0, 0)
    wide = Wide()
    layout.addWidget(wide)
    assert wide.mine == 3
    assert holder.sizeHint.width() == 321


# Slicer's widgets


@check
def setMrmlSceneIsASlot() -> None:
    combo = slicer.qMRMLNodeComboBox()
    combo.nodeTypes = ["vtkMRMLTextNode"]
    combo.noneEnabled = True
    seen: list[Any] = []
    combo.connect("currentNodeChanged(vtkMRMLNode*)", seen.append)
    combo.setMRMLScene(slicer.mrmlScene)
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTextNode")
    combo.setCurrentNode(node)
    assert combo.currentNode() is node
    assert combo.currentNodeID == node.GetID()
    slicer.mrmlScene.RemoveNode(node)
    assert combo.currentNode() is None
    assert seen == [node, None]


@check
def aSliderStaysWithinItsLimits() -> None:
    slider = ctk.ctkSliderWidget()
    slider.maximum = 10.0
    slider.value = 20.0
    assert slider.value == 10.0


@check
def aCollapsedSectionHidesWhatItHolds() -> None:
    section = ctk.ctkCollapsibleButton()
    layout = qt.QVBoxLayout(section)
    label = qt.QLabel("x")
    layout.addWidget(label)
    seen: list[Any] = []
    section.connect("contentsCollapsed(bool)", seen.append)
    section.collapsed = True
    assert seen == [True]
    assert label.isHidden()


def failures(checks: list[Callable[[], None]]) -> dict[str, str]:
    """Which checks do not hold, and why."""
    found = {}
    for each in checks:
        try:
            each()
        except Exception:
            found[each.__name__] = traceback.format_exc()
    return found


if __name__ == "__main__":
    wrong = failures(CHECKS)
    for name, reason in wrong.items():
        print(f"{name} does not hold:\n{reason}")
    print(f"{len(CHECKS) - len(wrong)} of {len(CHECKS)} checks hold")
    slicer.util.exit(len(wrong))
