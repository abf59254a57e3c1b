"""Kriging: a missing slice as the best linear guess from the measured ones around it, as the volume teaches it.

How fast grey levels lose each other along the sweep is measured on the volume itself (the variogram), and from that
follow the weights with the smallest expected error (ordinary kriging, Matheron 1963). Since it needs no even spacing,
each slice counts from where its frames really were, which may be half a slice beside the slice's middle.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from ..progress import SILENT, Progress
from .filling import GreyVolume, Mask, checked, fill_linear, places

NEIGHBOURS = 3
"""Measured slices on either side that are weighed; more change nothing."""

FARTHEST_LAG = 3.5
"""In mean distances of measured slices: what is farther apart says little about how to fill a gap."""

RANGES = np.geomspace(0.25, 4.0, 17)
"""Ranges of the covariance that are tried, likewise."""

LEAST_NUGGET = 0.005
"""Part of the variance that is taken for noise at least: two slices at one place must not weigh each other up."""

MOST_COLUMNS = 20_000


def fill_kriging(
    values: GreyVolume,
    measured: Mask,
    inside: Mask,
    at: NDArray[np.floating] | None = None,
    progress: Progress = SILENT,
) -> GreyVolume:
    """Fill what lies between measured slices; beyond the first and the last the nearest one stands.

    Args:
        values: (k, j, i) grey values; those that were not measured do not matter.
        measured: (k, j, i) voxels that a transverse frame wrote.
        inside: (j, i) or (k, j, i) the fan.
        at: (k,) where the data of each slice really lie, in slices; in their middles where not given.
        progress: told before every slice.

    Returns:
        The filled volume (k, j, i), measured voxels verbatim and 0 outside the fan.

    Raises:
        InputError: nothing was measured inside the fan.
    """
    values, measured, inside = checked(values, measured, inside)
    where = places(measured, at)
    filled = fill_linear(values, measured, inside, at)
    known = np.flatnonzero(measured.any(axis=(1, 2)))
    wanted = np.flatnonzero((inside & ~measured).any(axis=(1, 2)))
    wanted = wanted[(wanted > known[0]) & (wanted < known[-1])]
    if len(known) < 3 or not len(wanted):
        return filled
    nugget, sill, reach = variogram(filled, known, where, np.logical_or.reduce(inside))

    def gamma(lag: NDArray[np.floating]) -> NDArray[np.floating]:
        return np.where(lag > 0, nugget + sill * _rise(lag, reach), 0.0)

    result = filled.copy()
    for step in progress.steps(len(wanted), "Kriging the planes between"):
        k = wanted[step]
        others = known[known != k]
        after = int(np.searchsorted(others, k))
        used = others[max(after - NEIGHBOURS, 0) : after + NEIGHBOURS]
        count = len(used)
        # Bordered by ones, so that the weights add up to one and the mean grey level need not be known.
        system = np.ones((count + 1, count + 1))
        system[:-1, :-1] = gamma(np.abs(where[used][:, None] - where[used]))
        system[-1, -1] = 0.0
        target = np.append(gamma(np.abs(where[used] - where[k])), 1.0)
        weights = np.linalg.solve(system, target)[:-1].astype(np.float32)
        guess = np.tensordot(weights, filled[used], axes=1).clip(0, 255)
        result[k] = np.where(measured[k] | ~inside[k], filled[k], guess)
    return result


def variogram(
    values: GreyVolume, known: NDArray[np.integer], where: NDArray[np.floating], fan: Mask
) -> tuple[float, float, float]:
    """Half the mean squared difference of grey levels against the distance of slices, as a model of three numbers.

    Args:
        values: (k, j, i) grey values, whole in the ``known`` slices.
        known: slices k to compare.
        where: (k,) their places, in slices.
        fan: (j, i) columns to compare.

    Returns:
        The nugget (noise), the sill (variance) and the range in slices of a Matérn covariance of smoothness 3/2, the
        roughest whose course along the sweep has a slope, as that of an image blurred by the slice's thickness has.
    """
    columns = np.flatnonzero(fan)
    columns = columns[:: len(columns) // MOST_COLUMNS + 1]
    levels = values.reshape(len(values), -1)[np.ix_(known, columns)]
    spacing = float(where[known[-1]] - where[known[0]]) / (len(known) - 1)
    lags, halves = [], []
    for n in range(1, len(known)):
        lag = where[known[n:]] - where[known[:-n]]
        near = np.flatnonzero((lag > 0) & ((lag < FARTHEST_LAG * spacing) | (n == 1)))
        if not len(near):
            break
        lags.append(lag[near])
        halves.append(0.5 * np.square(levels[near + n] - levels[near]).mean(axis=1))
    lag, half = np.concatenate(lags), np.concatenate(halves) + 1e-6
    models = []
    for reach in RANGES * spacing:
        basis = np.stack([np.ones_like(lag), _rise(lag, reach)], axis=-1)
        # Relative errors, and the nearest slices above all, since they get the weights.
        (nugget, sill), residual = nnls(basis / (lag * half)[:, None], 1 / lag)
        models.append((residual, nugget, sill, reach))
    _, nugget, sill, reach = min(models)
    return max(float(nugget), LEAST_NUGGET * float(sill), 1e-9), float(sill), float(reach)


def _rise(lag: NDArray[np.floating], reach: float) -> NDArray[np.floating]:
    return 1 - (1 + lag / reach) * np.exp(-lag / reach)
