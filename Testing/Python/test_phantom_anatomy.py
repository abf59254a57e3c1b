"""The invented patient: his sizes, what lies where, and how T2 MR shows it."""

import numpy as np
import pytest

from MR2USProLib.phantom.anatomy import Anatomy
from MR2USProLib.phantom.mr import acquire, labels, oblique_grid, signal
from MR2USProLib.phantom.shapes import capsule, ellipsoid
from MR2USProLib.phantom.tissues import LABELS, Tissue
from MR2USProLib.volume import Grid


def lattice(step=1.5, half=34.0):
    axis = np.arange(-half, half + step / 2, step)
    return np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3)


@pytest.fixture(scope="module")
def patient():
    anatomy = Anatomy(np.random.default_rng(11))
    return anatomy, anatomy.sample(lattice())


def test_implicit_shapes_measure_distance():
    x, y, z = (np.array([v], np.float32) for v in (3.0, 4.0, 0.0))
    assert ellipsoid(x, y, z, (0, 0, 0), (2, 2, 2))[0] == pytest.approx(5 - 2, abs=1e-4)
    assert capsule(x, y, z, (0, 0, 0), (10, 0, 0), 1.5)[0] == pytest.approx(4 - 1.5, abs=1e-4)
    assert capsule(-x, y, z, (0, 0, 0), (10, 0, 0), 1.5)[0] == pytest.approx(5 - 1.5, abs=1e-4)


@pytest.mark.parametrize("seed", range(4))
def test_the_gland_has_an_anatomical_size(seed):
    anatomy = Anatomy(np.random.default_rng(seed))
    points = lattice()[anatomy.sample(lattice()).gland < 0]
    width, depth, height = np.ptp(points, axis=0) + 1.5
    assert 30 <= len(points) * 1.5**3 / 1000 <= 60
    assert 43 <= width <= 60
    assert 26 <= depth <= 40
    assert 37 <= height <= 52


def test_every_organ_is_there_and_lies_where_it_should(patient):
    anatomy, sample = patient
    points = lattice()
    _, y, z = points.T
    assert set(np.unique(sample.tissue)) >= {
        int(t)
        for t in Tissue
        if t not in (Tissue.CALCIFICATION, Tissue.BULB, Tissue.CORTEX, Tissue.MARROW, Tissue.VERUMONTANUM)
    }
    gland = sample.gland < 0

    def middle(tissue):
        return points[sample.tissue == tissue].mean(0)

    assert middle(Tissue.RECTUM)[1] > y[gland].max()  # behind
    assert middle(Tissue.URINE)[2] > 0.8 * z[gland].max()  # above
    assert middle(Tissue.SEMINAL_VESICLE)[1] > 0
    assert middle(Tissue.SEMINAL_VESICLE)[2] > 0.8 * anatomy.half_mm[2]
    assert middle(Tissue.STROMA)[1] < middle(Tissue.TRANSITION_ZONE)[1] < middle(Tissue.PERIPHERAL_ZONE)[1]
    assert not gland[np.isin(sample.tissue, (Tissue.FAT, Tissue.MUSCLE, Tissue.URINE, Tissue.RECTAL_WALL))].any()


def test_capsule_landmarks_lie_on_the_capsule(patient):
    anatomy, _ = patient
    landmarks = anatomy.landmarks()
    assert len(landmarks) >= 8
    on = np.array([p for name, p in landmarks.items() if name.startswith(("capsule", "vesicle", "apex"))])
    assert np.abs(anatomy.sample(on).gland).max() < 0.01
    lesions = np.array([p for name, p in landmarks.items() if name.startswith("lesion")])
    assert 1 <= len(lesions) <= 3
    assert (anatomy.sample(lesions).gland < -1).all()


def test_the_prostate_encloses_every_other_label(patient):
    """All of a label from 2 on has the prostate on all sides, so filling its holes gives the whole gland."""
    _, sample = patient
    label, zone = labels(sample)
    assert (label[sample.gland < 0] > 0).all()
    assert (label[sample.gland >= 0] == 0).all()
    assert sample.gland[label > 1].max() < -1
    assert set(np.unique(label)) <= {0, *LABELS}
    assert ((zone >= 1) & (zone <= 6) == (sample.gland < 0)).all()


def test_t2_contrast(patient):
    _, sample = patient
    value = signal(sample)
    deep = np.abs(sample.transition) > 2

    def mean(tissue):
        return value[(sample.tissue == tissue) & deep & (np.abs(sample.gland) > 1)].mean()

    assert mean(Tissue.URINE) > mean(Tissue.PERIPHERAL_ZONE) > mean(Tissue.FAT) > mean(Tissue.TRANSITION_ZONE)
    assert mean(Tissue.TRANSITION_ZONE) > mean(Tissue.LESION) > mean(Tissue.MUSCLE)


def test_the_same_seed_gives_the_same_patient():
    points = lattice(6.0)
    first, second, other = (Anatomy(np.random.default_rng(seed)).sample(points) for seed in (5, 5, 6))
    assert np.array_equal(first.tissue, second.tissue)
    assert np.array_equal(first.texture, second.texture)
    assert (first.tissue != other.tissue).any()


def test_a_thick_slice_averages_what_it_cuts(patient):
    """Without noise a slice of 3 mm at a horizontal border shows a mixture of both sides."""
    anatomy, _ = patient
    grid = Grid((9, 3, 3), (0.6, 0.6, 3.0), (0.0, -8.0, 24.0))  # through the bladder's floor
    image, _, _ = acquire(anatomy, grid, np.zeros(3), 0.0, np.random.default_rng(0))
    column = image.array[:, 1, 1].astype(float)
    thin = [signal(anatomy.sample([grid.to_world((1, 1, k))]))[0] for k in range(9)]
    assert np.abs(column - thin).max() > 30
    assert column.max() > 850


def test_the_mr_is_oblique_and_holds_the_gland_centrally():
    grid = oblique_grid(np.random.default_rng(4), np.array([10.0, 20.0, 30.0]))
    np.testing.assert_allclose(grid.centre_mm, [10, 20, 30], atol=1e-9)
    tilt = np.rad2deg(np.arccos(grid.direction[2, 2]))
    assert 4 < tilt < 22
    assert np.linalg.det(grid.direction) == pytest.approx(1)
