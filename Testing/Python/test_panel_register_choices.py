"""What the panel MR2USRegister lets one choose about the method."""


def test_every_translation_can_be_chosen(registerPanel, pairCase):
    widget = registerPanel.register.translationComboBox
    keys = ["auto", "acmt", "pmt", "unsb", "none"]
    for key in ("pmt", "unsb", "none", "acmt", "auto"):
        registerPanel.choose(widget, key, keys)
        assert pairCase.translation == key
    registerPanel.choose(widget, "unsb", keys)
    registerPanel.picture("translation")


def test_every_registration_can_be_chosen(registerPanel, pairCase, slicerApp):
    form = registerPanel.register
    keys = ["auto", "self-similarity", "anatomy-aware", "fsdiffreg", "diffusemorph", "voxelmorph", "surfaces"]
    assert pairCase.registration == "auto"
    form.incompressibleBox.checked = True
    for key in reversed(keys):
        registerPanel.choose(form.registrationComboBox, key, keys)
        assert pairCase.registration == key
        assert form.incompressibleBox.enabled == (key in ("auto", "self-similarity", "anatomy-aware"))
    assert pairCase.incompressible
    form.doubleSlicesBox.checked = True
    slicerApp.process(0.05)
    assert pairCase.doubleSlices
    form.weightsPath.currentPath = "/somewhere/weights.safetensors"
    slicerApp.process(0.05)
    assert pairCase.weightsFile == "/somewhere/weights.safetensors"
    form.advancedBox.collapsed = False
    registerPanel.choose(form.registrationComboBox, "fsdiffreg", keys)
    registerPanel.picture("registration")


def test_a_file_of_weights_is_taken_as_the_command_line_takes_it(registerPanel, pairCase, slicerApp, monkeypatch):
    from MR2USProPanels.environment import environment

    presets = {"self-similarity": {"balanced": {"seconds": 20, "memory_gb": 1.0}}}
    monkeypatch.setattr(environment(), "found", {"presets": presets})
    form = registerPanel.register
    registerPanel.start_from("centers")
    assert form.costLabel.text == "On this machine: about 20 s and 1.0 GB of memory."
    form.weightsPath.currentPath = "/somewhere/weights.safetensors"
    slicerApp.process(0.05)
    assert not form.costLabel.visible  # what it takes is in the file
    registerPanel.align.findGlandsCheckBox.checked = False
    registerPanel.run.click()
    job = registerPanel.logic.runner.current.job
    assert job.parameters["weights"] == "/somewhere/weights.safetensors"
    assert job.parameters["find_glands"] is False
    assert (job.parameters["translation"], job.parameters["registration"]) == ("auto", "auto")
    slicerApp.clearScene()
