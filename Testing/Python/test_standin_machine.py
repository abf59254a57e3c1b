"""What the tests need of the machine to draw is asked for as a whole, or not at all."""

import ctypes
import sys

import pytest

from MR2USProLib import machine

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux has to be asked")


def test_nothing_is_installed_where_all_is_there(monkeypatch, capsys):
    monkeypatch.setattr(ctypes, "CDLL", lambda _name: object())
    monkeypatch.setattr(machine.Path, "rglob", lambda _folder, _pattern: iter(["a.ttf"]))
    monkeypatch.setattr(machine, "install_system_packages", lambda *_: pytest.fail("it installs"))
    machine.need_rendering()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("missing", [library[0] for library in machine.DRAWING_LIBRARIES] + ["font"])
def test_each_missing_part_is_noticed(missing, monkeypatch, capsys):
    def load(name):
        if name == missing:
            raise OSError(name)
        return object()

    asked = []
    monkeypatch.setattr(ctypes, "CDLL", load)
    monkeypatch.setattr(machine.Path, "rglob", lambda _f, _p: iter([] if missing == "font" else ["a.ttf"]))
    monkeypatch.setattr(machine, "install_system_packages", lambda packages, _purpose: asked.extend(packages))
    machine.need_rendering()
    assert {"libegl1", "libgl1-mesa-dri", "libxkbcommon0", "fonts-dejavu-core"} < set(asked)
    said = capsys.readouterr().err
    assert all(package in said for package in asked)
    assert "dnf install" in said
