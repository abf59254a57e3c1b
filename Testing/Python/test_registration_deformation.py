"""Fields as tensors: identities that hold whatever the field."""

import pytest
import torch

from MR2USProLib.registration.deformation import compose, integrate, inverted, jacobian_determinant, resize, warp


def constant(i, j, k, shape=(6, 8, 10)):
    return torch.tensor([float(i), float(j), float(k)]).view(1, 3, 1, 1, 1).expand(1, 3, *shape)


def smooth_field(shape, largest, seed=0):
    """A sum of a few waves, none shorter than 16 voxels."""
    random = torch.Generator().manual_seed(seed)
    k, j, i = torch.meshgrid(*[torch.arange(float(n)) for n in shape], indexing="ij")
    field = torch.zeros(3, *shape)
    for _ in range(6):
        wave = (torch.rand(3, generator=random) - 0.5) * 0.75
        phase = 6.3 * torch.rand(3, 1, 1, 1, generator=random)
        field += torch.randn(3, 1, 1, 1, generator=random) * torch.sin(wave[0] * i + wave[1] * j + wave[2] * k + phase)
    return (field * largest / field.norm(dim=0).max())[None]


def test_whole_shifts_are_exact_along_each_axis():
    image = torch.randn(1, 1, 6, 8, 10, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(warp(image, constant(2, 0, 0))[..., :8], image[..., 2:])
    torch.testing.assert_close(warp(image, constant(0, 3, 0))[..., :5, :], image[..., 3:, :])
    torch.testing.assert_close(warp(image, constant(0, 0, 1))[:, :, :5], image[:, :, 1:])


def test_beyond_its_border_an_image_keeps_its_edge_value():
    image = torch.arange(10.0).expand(1, 1, 6, 8, 10)
    torch.testing.assert_close(warp(image, constant(100, 0, 0)), torch.full_like(image, 9.0))


def test_composition_of_shifts_adds_them():
    torch.testing.assert_close(compose(constant(1, 2, 3), constant(0.5, -1, 0)), constant(1.5, 1, 3).contiguous())


def test_a_constant_velocity_is_that_shift():
    torch.testing.assert_close(integrate(constant(1.5, -2, 0.25)), constant(1.5, -2, 0.25).contiguous())


def test_integrating_backwards_gives_the_inverse():
    velocity = smooth_field((24, 32, 40), 5.0)
    there, back = integrate(velocity), integrate(-velocity)
    left = compose(there, back)[:, :, 6:-6, 6:-6, 6:-6].norm(dim=1)
    assert there.norm(dim=1).max() > 3
    assert left.max() < 0.1


def test_warping_there_and_back_returns_the_image():
    k, j, i = torch.meshgrid(*[torch.arange(float(n)) for n in (24, 32, 40)], indexing="ij")
    image = (torch.sin(i / 5) + torch.cos(j / 6) + torch.sin(k / 4))[None, None]
    velocity = smooth_field((24, 32, 40), 4.0)
    again = warp(warp(image, integrate(velocity)), integrate(-velocity))
    inside = (slice(None), slice(None), slice(6, -6), slice(6, -6), slice(6, -6))
    assert (warp(image, integrate(velocity)) - image)[inside].abs().max() > 0.4
    assert (again - image)[inside].abs().max() < 0.06


def test_a_steep_velocity_does_not_fold():
    velocity = smooth_field((24, 32, 40), 12.0, seed=3)
    assert jacobian_determinant(velocity).min() <= 0  # taken as a displacement it folds
    assert jacobian_determinant(integrate(velocity)).min() > 0


def test_jacobian_of_an_affine_map_is_its_determinant():
    shape = (5, 6, 7)
    matrix = torch.tensor([[0.1, 0.2, 0.0], [-0.1, 0.05, 0.1], [0.0, 0.3, -0.2]])
    k, j, i = torch.meshgrid(*[torch.arange(float(n)) for n in shape], indexing="ij")
    field = torch.einsum("ca,akji->ckji", matrix, torch.stack([i, j, k]))[None]
    expected = torch.linalg.det(torch.eye(3) + matrix)
    torch.testing.assert_close(jacobian_determinant(field), expected.expand(1, 4, 5, 6))


def test_resizing_keeps_the_motion():
    """Corner voxel on corner voxel: 8 steps along i become 16, so a shift of 3 voxels becomes one of 6."""
    found = resize(constant(3, 3, 3, (3, 5, 9)), (5, 13, 17))
    torch.testing.assert_close(found, constant(6, 9, 6, (5, 13, 17)).contiguous())


@pytest.mark.parametrize("shape", [(6, 8, 10), (7, 9, 11)])
def test_resizing_there_and_back_is_harmless(shape):
    field = smooth_field(shape, 2.0)
    fine = resize(field, [2 * n - 1 for n in shape])
    torch.testing.assert_close(resize(fine, shape), field, atol=1e-5, rtol=1e-5)


def test_a_displacement_is_inverted_by_iteration():
    field = smooth_field((24, 32, 40), 3.0, seed=1)
    back = inverted(field)
    assert jacobian_determinant(field).min() > 0
    assert compose(back, field)[:, :, 6:-6, 6:-6, 6:-6].norm(dim=1).max() < 0.005
    assert compose(field, back)[:, :, 6:-6, 6:-6, 6:-6].norm(dim=1).max() < 0.2


def test_a_field_that_folds_still_gets_an_answer():
    found = inverted(smooth_field((24, 32, 40), 12.0, seed=3), iterations=20)
    assert torch.isfinite(found).all()
