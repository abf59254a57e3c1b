"""A registration that is not to be believed is told from one that is, without a label."""

import numpy as np
import pytest
import SimpleITK as sitk

from MR2USProLib.registration.quality import Ellipsoid, Glands, Quality, detour_mm

HALF = np.diag([20.0, 15.0, 18.0])


def glands(offset=(0.0, 0.0, 0.0)):
    centre = np.array([5.0, -7.0, 30.0])
    return Glands(Ellipsoid(centre + offset, HALF), Ellipsoid(centre, HALF))


def shift(*mm):
    return sitk.TranslationTransform(3, [float(x) for x in mm])


def test_an_ellipsoid_holds_what_is_inside_wherever_it_is_brought():
    turned = sitk.Euler3DTransform((1.0, 2.0, 3.0), 0.3, -0.2, 0.1, (4.0, 5.0, 6.0))
    affine = sitk.AffineTransform(turned.GetMatrix(), turned.GetTranslation(), turned.GetCenter())
    ellipsoid = glands().us
    points = ellipsoid.centre_mm + np.random.default_rng(0).uniform(-22, 22, (500, 3))
    brought = np.array([affine.TransformPoint(p.tolist()) for p in points])
    assert 0.1 < ellipsoid.holds(points).mean() < 0.9
    assert np.array_equal(ellipsoid.moved(affine).holds(brought), ellipsoid.holds(points))


@pytest.mark.parametrize(("offset", "expected"), [(0.0, 1.0), (0.5, 0.6328), (2.0, 0.0)])
def test_overlap_of_two_balls_is_that_of_geometry(offset, expected):
    """Two unit balls d apart share 1 - 3d/4 + d^3/16 of each."""
    away = np.array([offset * 20.0, 0, 0])
    assert glands(away).overlap(shift(0, 0, 0)) == pytest.approx(expected, abs=0.02)
    assert glands(away).overlap(shift(*away)) == pytest.approx(1.0, abs=1e-9)


def test_overlap_counts_a_gland_that_is_brought_in_too_large():
    halved = sitk.ScaleTransform(3, (0.8, 0.8, 0.8))
    centre = Glands(Ellipsoid(np.zeros(3), HALF), Ellipsoid(np.zeros(3), HALF))
    assert centre.overlap(halved) == pytest.approx(2 / (1 + 0.8**-3), abs=0.02)


def test_doubts_name_what_speaks_against_a_result():
    sound = Quality(0.85, 0.9, 0.2, 0.0, 1.0)
    assert sound.doubts == ()
    assert sound.as_dict()["doubtful"] is False
    assert Quality(None, None, 0.2, 0.0, None).doubts == ()
    assert "from 0.90 to 0.80" in Quality(0.9, 0.8, 0.2, 0.0, 1.0).doubts[0]
    assert Quality(0.95, 0.84, 0.2, 0.0, 1.0, agreed=True).doubts == ()  # the sight of the glands errs by that much
    assert "from 0.95 to 0.74" in Quality(0.95, 0.74, 0.2, 0.0, 1.0, agreed=True).doubts[0]
    assert "overlap by 0.55 only" in Quality(0.55, 0.55, 0.2, 0.0, 1.0).doubts[0]
    assert "folds 0.10 % of" in Quality(0.9, 0.9, 0.2, 0.001, 1.0).doubts[0]
    assert "folds less than 0.01 % of" in Quality(0.9, 0.9, 0.2, 1e-6, 1.0).doubts[0]
    assert "leads 4.0 mm away" in Quality(0.9, 0.9, 4.0, 0.0, 1.0).doubts[0]
    assert "uncertainty is 5.0 mm" in Quality(0.9, 0.9, 0.2, 0.0, 5.0).doubts[0]


def test_detour_is_nothing_for_an_inverse_and_the_error_of_one_that_is_not():
    shape, spacing = (12, 14, 16), np.array([0.5, 1.0, 2.0])
    valid = np.zeros(shape, bool)
    valid[4:8, 4:10, 4:12] = True
    there = np.broadcast_to(np.array([2.0, -1.0, 0.5]), (*shape, 3))
    assert detour_mm(there, -there, valid, spacing) == pytest.approx(0.0, abs=1e-6)
    off = detour_mm(there, np.zeros_like(there), valid, spacing)
    assert off == pytest.approx(np.linalg.norm([1.0, 1.0, 1.0]), abs=1e-6)
