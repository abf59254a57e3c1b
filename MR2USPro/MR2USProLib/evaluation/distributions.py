"""How far two sets of slices are from each other as distributions: FID and KID (the paper's Table I).

Both compare features of the slices, not the slices. The published numbers are of one network, Inception, whose weights
no library may fetch here: they come from a file that the user names. Without one, features of our own are compared,
and the result says so: such numbers rank methods on one cohort and must not stand beside published ones.

Two sets that are constant, or one template each, are at distance 0: neither figure can tell a collapse.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from ..errors import InputError

SUBSET = 50
SUBSETS = 100
AT_ONCE = 32
SEED = 20_250_600


@dataclass(frozen=True)
class Distance:
    """How far two sets of slices are from each other.

    Attributes:
        fid: Frechet distance of the Gaussians of both sets' features. It depends on the number of slices.
        kid: squared maximum mean discrepancy, kernel (x y / d + 1)^3, mean over random subsets; unbiased.
        kid_spread: its standard deviation over the subsets.
        slices: of both sets.
        extractor: whose features: ``Inception`` or ``proxy``.
    """

    fid: float
    kid: float
    kid_spread: float
    slices: tuple[int, int]
    extractor: str


class ProxyFeatures(nn.Module):
    """64 features of our own: channel means of four layers of random 3x3 convolutions that never change.

    The weights are drawn by NumPy with one seed, so that they are the same everywhere. Each layer has 16 channels,
    He's variance, small biases and a leaky rectifier, and sees half the resolution of the one before.
    """

    label = "proxy"
    num_features = 64

    def __init__(self) -> None:
        super().__init__()
        rng = np.random.default_rng(SEED)
        self.layers = nn.ModuleList()
        inward = 1
        for _ in range(4):
            layer = nn.Conv2d(inward, 16, 3, padding=1, padding_mode="reflect")
            with torch.no_grad():
                scale = (2 / (9 * inward)) ** 0.5
                for values, spread in ((layer.weight, scale), (cast(Tensor, layer.bias), 0.1)):
                    values.copy_(torch.from_numpy(rng.normal(scale=spread, size=tuple(values.shape))))
            self.layers.append(layer)
            inward = 16
        self.requires_grad_(False)

    def forward(self, slices: Tensor) -> Tensor:
        """(batch, 1, height, width) in [-1, 1] to (batch, 64)."""
        found, x = [], slices
        for layer in self.layers:
            x = F.leaky_relu(layer(x), 0.1)
            found.append(x.mean(dim=(2, 3)))
            x = F.avg_pool2d(x, 2)
        return torch.cat(found, dim=1)


class InceptionFeatures(nn.Module):
    """The 2048 features by which FID was defined, from a file.

    Args:
        weights: NVIDIA's ``inception-2015-12-05.pt``, a TorchScript of the original network, which holds no Python.

    Raises:
        InputError: it is no such file.
    """

    label = "Inception"
    num_features = 2048

    def __init__(self, weights: Path) -> None:
        super().__init__()
        if not weights.is_file():
            raise InputError(f"The Inception weights {weights} do not exist: check the path.")
        try:
            self.network = torch.jit.load(str(weights), map_location="cpu").eval()
            features = self.forward(torch.zeros(1, 1, 32, 32))
        except Exception as error:  # whatever a foreign file makes the reader or the network stumble over
            raise InputError(
                f"{weights.name} is no Inception network: give the TorchScript inception-2015-12-05.pt."
            ) from error
        if features.shape != (1, self.num_features):
            raise InputError(f"{weights.name} gives no 2048 features: give the TorchScript inception-2015-12-05.pt.")

    def forward(self, slices: Tensor) -> Tensor:
        """(batch, 1, height, width) in [-1, 1] to (batch, 2048)."""
        grey = ((slices.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).expand(-1, 3, -1, -1)
        return self.network(grey, return_features=True)


def distance(
    first: Sequence[NDArray[np.float32]],
    second: Sequence[NDArray[np.float32]],
    features: ProxyFeatures | InceptionFeatures | None = None,
    device: str = "cpu",
) -> Distance:
    """FID and KID of two sets of slices.

    Args:
        first: slices (j, i) in [-1, 1], at least two, of any sizes of at least 16.
        second: likewise; of the same places as the first, and the same for all methods that are compared.
        features: whose features; the proxy's if not given.
        device: of torch, on which the networks look at the slices; their features are compared on the CPU.

    Raises:
        ValueError: fewer than two slices in a set.
    """
    from torchmetrics.image.fid import FrechetInceptionDistance
    from torchmetrics.image.kid import KernelInceptionDistance

    if min(len(first), len(second)) < 2:
        raise ValueError("Distributions need at least two slices each.")
    features = (features or ProxyFeatures()).to(device)
    with torch.no_grad(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):  # so that devices agree
        seen = [
            torch.cat([features(batch.to(device)).cpu() for batch in _batches(slices)]).double()
            for slices in (first, second)
        ]
    passed_on = _Identity(features.num_features)
    fid = FrechetInceptionDistance(feature=passed_on).set_dtype(torch.float64)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*will save all extracted features")
        kid = KernelInceptionDistance(
            feature=passed_on, subsets=SUBSETS, subset_size=min(SUBSET, len(first), len(second))
        ).set_dtype(torch.float64)
    for metric in (fid, kid):
        for vectors, real in zip(seen, (True, False), strict=True):
            metric.update(vectors, real=real)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # of KID's subsets
        mean, spread = kid.compute()
    return Distance(float(fid.compute()), float(mean), float(spread), (len(first), len(second)), features.label)


class _Identity(nn.Module):
    """For metrics that want a network: the features are there already."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features

    def forward(self, features: Tensor) -> Tensor:
        return features


def _batches(slices: Sequence[NDArray[np.float32]]) -> list[Tensor]:
    """Slices of one size, some at a time."""
    found: list[Tensor] = []
    for shape in sorted({x.shape for x in slices}):
        alike = torch.from_numpy(np.stack([x for x in slices if x.shape == shape]).astype(np.float32))[:, None]
        found += alike.split(AT_ONCE)
    return found
