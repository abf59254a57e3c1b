"""Two small pictures of which one is the other under a known field."""

from dataclasses import replace

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates

from MR2USProLib.registration.pair import Images
from MR2USProLib.registration.training import register_with, train

SHAPE = (16, 16, 16)
SPACING_MM = (1.0, 1.5, 2.0)
INNER = np.s_[4:-4, 4:-4, 4:-4]


def texture(seed=0, shape=SHAPE):
    """Blobs of about 3 voxels, in [-1, 1]."""
    image = gaussian_filter(np.random.default_rng(seed).standard_normal(shape), 2.0, mode="nearest")
    return (image / np.abs(image).max()).astype(np.float32)


def pulled(image, displacement):
    """image(x + u(x)), u (k, j, i, 3) in voxels along (i, j, k)."""
    index = np.stack(np.meshgrid(*(np.arange(n) for n in image.shape), indexing="ij"))
    return map_coordinates(image, index + np.moveaxis(displacement, -1, 0)[::-1], order=1, mode="nearest")


def shifted(shift=(1.5, -1.0, 0.5), seed=0, spacing_mm=SPACING_MM):
    """The pair, and the field from fixed to moving."""
    truth = np.broadcast_to(np.array(shift), (*SHAPE, 3))
    moving = texture(seed)
    return Images(moving, pulled(moving, truth).astype(np.float32), np.ones(SHAPE, bool), spacing_mm), truth


def error(found, truth):
    """Mean length of the difference of two fields in the inner part, voxels."""
    return np.linalg.norm(found - truth, axis=-1)[INNER].mean()


def fit(method, images, **how):
    """What a network finds that is fitted to the pair, and how its loss fell."""
    trained = train(method, [images], **how)
    return replace(register_with(trained, images), history=trained.history)
