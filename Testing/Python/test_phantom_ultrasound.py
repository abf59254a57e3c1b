"""The physics of the simulated probe, on tissue that is the same everywhere."""

import numpy as np
import pytest
from scipy.ndimage import shift

from MR2USProLib.phantom.acoustics import Acoustics
from MR2USProLib.phantom.probe import PROBE
from MR2USProLib.phantom.sagittal import MARGIN, SagittalView
from MR2USProLib.phantom.sweep import LEVELS, sweep
from MR2USProLib.phantom.transverse import TransverseView
from MR2USProLib.phantom.ultrasound import scatter
from MR2USProLib.volume import Grid


@pytest.fixture(scope="module")
def views():
    """Both views of uniform tissue, and the same with a strip that swallows sound."""
    shape = (168, 126, 132)
    grid = Grid(shape, (0.5, 0.5, 0.5), (-32.75, 2.75, 3.75), np.diag([1, -1, -1]))
    attenuation = np.zeros(shape, np.float32)
    attenuation[:, 30:34, 60:72] = np.where(np.arange(168) >= 100, 5.0, 0.0)[:, None, None]  # caudal of z = -46.5
    tissue = Acoustics(np.ones(shape, np.float32), np.zeros(shape, np.float32), attenuation, grid)
    scatterers = scatter(tissue, -20.0, np.random.default_rng(0))
    how = LEVELS["hard"]
    return (
        SagittalView(scatterers, tissue, how, np.random.default_rng(1)),
        TransverseView(scatterers, tissue, how, np.random.default_rng(2)),
    )


def correlation(a, b):
    a, b = a - a.mean(), b - b.mean()
    return float(np.real((a * np.conj(b)).sum()) / np.sqrt((np.abs(a) ** 2).sum() * (np.abs(b) ** 2).sum()))


def test_speckle_is_fully_developed(views):
    """The envelope of fully developed speckle is Rayleigh distributed: mean / standard deviation = 1.913."""
    sagittal, transverse = views
    fan = transverse.echo(3.0)
    for echo in (sagittal.echo(0.0)[40:260, :220].ravel(), fan[20:][transverse.seen[20:]]):
        envelope = np.abs(echo)
        assert envelope.mean() / envelope.std() == pytest.approx(1.913, abs=0.12)
        assert (envelope**2).mean() == pytest.approx(1.0, abs=0.15)  # 0 dB at the peripheral zone's echo strength


def test_the_gain_is_even_over_depth(views):
    _, transverse = views
    power = np.mean([np.abs(transverse.echo(p)) ** 2 for p in (0.0, 4.0, 8.0, 12.0, 16.0)], axis=0)
    bands = zip(np.array_split(power, 6), np.array_split(transverse.seen, 6), strict=True)
    assert np.abs(10 * np.log10([band[seen].mean() for band, seen in bands])).max() < 1.0


def test_a_move_by_a_pixel_shifts_the_sagittal_echo_by_a_pixel(views):
    sagittal, _ = views
    pixel = PROBE.sagittal_spacing_mm
    first, second = sagittal.echo(2.0), sagittal.echo(2.0 + pixel)
    assert np.abs(second[:, :-1] - first[:, 1:]).max() < 1e-3 * np.abs(first).max()


def test_a_move_by_part_of_a_pixel_shifts_the_echo_before_its_envelope_is_taken(views):
    sagittal, _ = views
    first, second = sagittal.echo(2.0), sagittal.echo(2.0 + 0.37 * PROBE.sagittal_spacing_mm)
    moved = shift(first.real, (0, -0.37), order=5) + 1j * shift(first.imag, (0, -0.37), order=5)
    inner = slice(5, -5), slice(5, -5)
    assert np.abs(second[inner] - moved[inner]).max() < 0.02 * np.abs(first).max()


def test_wobble_moves_the_tissue_away_from_the_probe(views):
    sagittal, _ = views
    pixel = PROBE.sagittal_spacing_mm
    still, deeper = sagittal.echo(1.0), sagittal.echo(1.0, wobble_mm=3 * pixel)
    assert MARGIN >= 3
    assert np.abs(deeper[3:] - still[:-3]).max() < 1e-3 * np.abs(still).max()


def test_a_drift_out_of_the_plane_decorrelates(views):
    sagittal, _ = views
    still = sagittal.echo(1.0)
    near, far = (correlation(still, sagittal.echo(1.0, drift_mm=d)) for d in (0.25, 1.5))
    assert near > 0.9
    assert far < 0.5


def test_both_views_see_the_same_scatterers(views):
    """On the line where the planes cross. Gaussian thickness in one plane is the beam's width in the other: sigmas of
    0.75 and 0.85 mm against 0.36 to 0.55 mm make correlations of about 0.9 for either, hence about 0.8 together."""
    sagittal, transverse = views
    position = 7.3
    column = sagittal.echo(position)[:, 0]
    polar = transverse.echo(position)
    centre = (polar[:, polar.shape[1] // 2 - 1] + polar[:, polar.shape[1] // 2]) / 2
    radius = np.arange(len(centre)) * 0.2 - 0.6 + PROBE.radius_mm
    depth = np.arange(len(column)) * PROBE.sagittal_spacing_mm
    at = depth + PROBE.axis_y_mm
    seen = (depth > PROBE.face_mm) & (depth < 55)
    beam = np.interp(at, radius, centre.real) + 1j * np.interp(at, radius, centre.imag)
    assert correlation(column[seen], beam[seen]) > 0.6
    elsewhere = sagittal.echo(position + 6)[:, 0]
    assert abs(correlation(elsewhere[seen], beam[seen])) < 0.35


def test_what_swallows_sound_casts_a_shadow(views):
    """Two millimetres of 5 dB/mm, both ways included: 10 dB less behind them and nothing less before them."""
    sagittal, _ = views
    echo = np.abs(sagittal.echo(0.0)) ** 2
    behind = echo[110:280, 265:315].mean() / echo[110:280, 20:220].mean()
    before = echo[25:55, 265:315].mean() / echo[25:55, 20:220].mean()
    assert 10 * np.log10(behind) == pytest.approx(-10, abs=2)
    assert abs(10 * np.log10(before)) < 1.5


def test_reverberation_stays_with_the_probe(views):
    """The trap for stitching: under the face the hard level shows the same bands wherever the probe is."""
    sagittal, _ = views
    course = sweep(8, 16.0, "hard", np.random.default_rng(0))
    clean = [n for n in range(8) if n not in course.spoilt]
    first, last = (sagittal.frame(n, course).astype(float) for n in (clean[0], clean[-1]))
    face = round(PROBE.face_mm / PROBE.sagittal_spacing_mm)
    assert correlation(first[face : face + 25, :220], last[face : face + 25, :220]) > 0.5
    assert abs(correlation(first[200:290, :220], last[200:290, :220])) < 0.25


def test_the_transverse_frame_is_a_fan_on_black(views):
    _, transverse = views
    frame = transverse.frame(0, sweep(4, 16.0, "easy", np.random.default_rng(0)))
    _, _, inside = PROBE.fan()
    assert frame.shape == PROBE.transverse_shape
    assert (frame[~inside] == 0).all()
    assert frame[inside].min() >= 1
    assert not inside[0, 160]  # the probe's own disc
    assert inside[100, 160]
    assert not inside[-1, 0]


@pytest.mark.parametrize("level", ["easy", "medium", "hard"])
@pytest.mark.parametrize("frames", [12, 180])
def test_the_sweep_covers_its_extent_whatever_its_frames(level, frames):
    course = sweep(frames, 54.0, level, np.random.default_rng(3))
    assert course.positions_mm[0] == 0
    assert course.positions_mm[-1] == pytest.approx(54.0, abs=0.5)
    assert len(course.spoilt) == LEVELS[level].spoilt
    assert np.corrcoef(course.positions_mm, np.arange(frames))[0, 1] > 0.95
    if frames == 180:
        steps = np.diff(course.positions_mm)
        assert (steps < 0.05).sum() >= 5  # it pauses
        assert (steps.min() < -0.05) == (level != "easy")  # and slips back
    assert (np.abs(course.wobble_mm).max() > 0) == (level != "easy")
