"""Slices painted between an MR's slices: nearer to what was there than what lies beside, and in the right place."""

import numpy as np
import pytest

from MR2USProLib.commands import register
from MR2USProLib.errors import Cancelled, InputError
from MR2USProLib.pipeline import double_slices
from MR2USProLib.progress import Progress
from MR2USProLib.volume import Grid, Volume


def wavy(count):
    k, j, i = np.indices((count, 24, 28)).astype(float)
    depth = k * 0.8 + 3 * np.sin(i / 5) + 2 * np.cos(j / 4)
    return (400 + 300 * np.sin(depth / 2.2)).astype(np.int16)


def test_hidden_slices_come_back_better_than_by_interpolation():
    fine = wavy(25)
    turn = np.array([[0.8, -0.6, 0], [0.6, 0.8, 0], [0, 0, 1.0]])
    mr = Volume(fine[::2], Grid((13, 24, 28), (0.9, 0.8, 3.0), (5.0, -7.0, 11.0), turn))
    found = double_slices(mr)
    assert found.array.dtype == np.int16
    np.testing.assert_array_equal(found.array[::2], mr.array)
    between = (mr.array[:-1].astype(float) + mr.array[1:]) / 2
    error, linear = (np.abs(a - fine[1::2]).mean() for a in (found.array[1::2], between))
    assert error < 0.7 * linear
    np.testing.assert_allclose(found.grid.to_world([4, 5, 6]), mr.grid.to_world([4, 5, 3]))
    assert found.grid.spacing_mm == (0.9, 0.8, 1.5)


def test_a_few_slices_cannot_be_doubled():
    grid = Grid((4, 24, 28), (1.0, 1.0, 3.0), (0.0, 0.0, 0.0), np.eye(3))
    with pytest.raises(InputError, match="--double-slices"):
        double_slices(Volume(wavy(4), grid))


def test_a_registration_tells_how_many_slices_are_painted_and_stops_there(knownPair, tmp_path):
    mr, us, _ = knownPair
    files = [tmp_path / name for name in ("mr.nrrd", "us.nrrd")]
    mr.write(files[0])
    us.write(files[1])
    told = []
    progress = Progress(lambda stage, fraction, _: told.append((stage, fraction)), cancelled=lambda: len(told) == 70)
    with pytest.raises(Cancelled, match="Paint slices"):
        register.run(out=tmp_path / "out", moving=files[0], fixed=files[1], double_slices=True, progress=progress)
    between = mr.grid.shape[0] - 1
    assert {stage for stage, _ in told} == {"Paint slices"}
    # Behind three tenths, in which the slices are learned from, every slice that is painted.
    painted = [fraction for _, fraction in told if fraction >= 0.3][1:]
    assert painted == pytest.approx([0.3 + 0.7 * n / between for n in range(5)])
    assert not (tmp_path / "out").exists()
