"""Memory is looked at before a registration begins, and something smaller is proposed where it is short."""

from collections import namedtuple

import psutil
import pytest

from MR2USProLib import memory
from MR2USProLib.commands import register
from MR2USProLib.errors import InputError

Free = namedtuple("Free", "available")


@pytest.fixture
def free(monkeypatch):
    """Sets what is free, in GB: no test can fill a machine."""
    return lambda gb: monkeypatch.setattr(psutil, "virtual_memory", lambda: Free(gb * 1e9))


def test_this_machine_says_what_is_free():
    assert 0.05 < memory.available_gb() < psutil.virtual_memory().total / 1e9


def test_a_larger_grid_and_a_larger_network_take_more():
    for method in memory.REGISTRATION_GB:
        sizes = [memory.needed_gb(method, preset) for preset in ("fast", "balanced", "paper")]
        assert sizes == sorted(sizes)
        assert memory.needed_gb(method, "paper") >= memory.needed_gb("self-similarity", "paper")
        assert memory.needed_gb(method, "paper", "acmt") >= memory.needed_gb("anatomy-aware", "paper", "acmt")


def test_what_fits_is_let_through_and_what_does_not_is_answered_with_what_would(free):
    free(20)
    memory.check_fits("fsdiffreg", "paper")
    free(memory.needed_gb("fsdiffreg", "balanced") + 0.01)
    with pytest.raises(InputError, match=r"fsdiffreg with --preset paper takes about .* choose --preset balanced"):
        memory.check_fits("fsdiffreg", "paper")
    free(memory.needed_gb("self-similarity", "fast") + 0.01)
    with pytest.raises(InputError, match="choose --registration self-similarity --preset fast"):
        memory.check_fits("fsdiffreg", "fast")
    free(0.2)
    with pytest.raises(InputError, match="close other programs"):
        memory.check_fits("anatomy-aware", "fast")


def test_register_refuses_before_it_reads_anything(free, tmp_path):
    free(0.2)
    with pytest.raises(InputError, match=r"0\.2 GB are free"):
        register.run(out=tmp_path / "out", moving=tmp_path / "none.nrrd", fixed=tmp_path / "none.nrrd", device="cpu")
    assert not (tmp_path / "out").exists()
