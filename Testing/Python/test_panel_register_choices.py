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
    keys = ["self-similarity", "anatomy-aware", "fsdiffreg", "diffusemorph", "voxelmorph", "surfaces"]
    form.incompressibleBox.checked = True
    for key in reversed(keys):
        registerPanel.choose(form.registrationComboBox, key, keys)
        assert pairCase.registration == key
        assert form.incompressibleBox.enabled == (key in ("self-similarity", "anatomy-aware"))
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
