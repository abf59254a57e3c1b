"""Whose job is under way decides what can be done meanwhile: in another case, and in another module."""

import pytest

from MR2USProLib.errors import InputError
from register_panel import shown


def test_a_case_is_seen_at_its_start_while_another_one_is_registered(registerPanel, pairCase, registering, slicerApp):
    import slicer

    from MR2USProPanels.case import newCase

    volumes = slicer.modules.volumes.logic()
    other = newCase("Other")
    other.mr, other.trus = (volumes.CloneVolume(node, "copy") for node in (pairCase.mr, pairCase.trus))
    registerPanel.widget.showCurrentCase()
    slicerApp.process(0.05)
    registerPanel.start_from("centers")
    assert shown((other.trus.GetID(), other.mr.GetID(), 0.5))
    registering()


def test_a_case_is_registered_in_one_module_at_a_time(registerPanel, pairCase, registering, slicerApp):
    slicerApp.openModule("MR2USPro")
    import slicer

    runner = slicer.modules.MR2USProWidget.logic.registerLogic.runner
    runner.caseNode = pairCase.parameterNode
    with pytest.raises(InputError, match="Another module does this for the case already"):
        runner.run("register", {}, load=lambda run: None)
    assert not runner.busy
    registering()
