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
