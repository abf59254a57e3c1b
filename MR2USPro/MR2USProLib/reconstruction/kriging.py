"""Kriging: a missing slice as the best linear guess from the measured ones around it, as the volume teaches it.

From a covariance along the sweep follow the weights with the smallest expected error (ordinary kriging, Matheron 1963),
and the covariance is the one with which the volume's measured slices are best guessed from each other. Since kriging
needs no even spacing, each slice counts from where its frames really were, up to half a slice beside its middle.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ..progress import SILENT, Progress
from .filling import GreyVolume, Mask, checked, fill_linear, places

NEIGHBOURS = 3
"""Measured slices on either side that are weighed; more change nothing."""

RANGES = np.geomspace(0.25, 8.0, 16)
"""Ranges of the covariance that are tried, in mean distances of measured slices."""

NUGGETS = (0.005, 0.02, 0.08, 0.3)
"""Noise that is tried, as a part of the variance. With none at all, slices at one place would weigh each other up."""

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
    filled = fill_linear(values, measured, inside, at, progress.part(0.0, 0.3))
    known = np.flatnonzero(measured.any(axis=(1, 2)))
    wanted = np.flatnonzero((inside & ~measured).any(axis=(1, 2)))
    wanted = wanted[(wanted > known[0]) & (wanted < known[-1])]
    if len(known) < 3 or not len(wanted):
        return filled
    result = filled.copy()
    fan = np.logical_or.reduce(inside)
    for k, guess in guesses(filled, known, wanted, where, fan, progress.part(0.3, 1.0)):
        result[k] = np.where(measured[k] | ~inside[k], filled[k], guess.clip(0, 255))
    return result


def guesses(
    values: GreyVolume,
    known: NDArray[np.integer],
    wanted: NDArray[np.integer],
    where: NDArray[np.floating],
    fan: Mask,
    progress: Progress = SILENT,
) -> Iterator[tuple[int, GreyVolume]]:
    """The best linear guess of each wanted slice from the known ones around it.

    Args:
        values: (k, j, i) grey values, whole in the ``known`` slices; the others are not looked at.
        known: slices k, at least three, ascending.
        wanted: slices k that are guessed.
        where: (k,) places of all slices, in slices.
        fan: (j, i) columns from which the covariance is learned.
        progress: told about what is learned, and before every slice.

    Yields:
        The slice k and its guess (j, i), which may go a little beyond the known values.
    """
    model = fitted(values, known, where, fan, progress.part(0.0, 0.3))
    for step in progress.part(0.3, 1.0).steps(len(wanted), "Kriging the planes between"):
        k = int(wanted[step])
        others = known[known != k]
        after = int(np.searchsorted(others, k))
        used = others[max(after - NEIGHBOURS, 0) : after + NEIGHBOURS]
        weights = _weights(where[used], where[k], *model).astype(np.float32)
        yield k, np.tensordot(weights, values[used], axes=1)


def fitted(
    values: GreyVolume,
    known: NDArray[np.integer],
    where: NDArray[np.floating],
    fan: Mask,
    progress: Progress = SILENT,
) -> tuple[float, float]:
    """The covariance with which each known slice is best guessed from the known slices around it.

    The squared error of a guess with weights w that add up to one is 2 w g - w G w, where g and G hold half the mean
    squared differences of the slices, so that no guess has to be made to know how good it is.

    Args:
        values: (k, j, i) grey values, whole in the ``known`` slices.
        known: slices k, at least three.
        where: (k,) their places, in slices.
        fan: (j, i) columns to compare.
        progress: told about every covariance that is tried.

    Returns:
        The nugget (noise) as a part of the variance, and the range in slices of a Matérn covariance of smoothness 3/2,
        the roughest whose course has a slope, as that of an image blurred by the slice's thickness has.
    """
    columns = np.flatnonzero(fan)
    columns = columns[:: len(columns) // MOST_COLUMNS + 1]
    levels = values.reshape(len(values), -1)[np.ix_(known, columns)].astype(np.float32)
    count = len(known)
    half = np.zeros((count, count))
    for n in range(1, min(2 * NEIGHBOURS + 1, count)):
        difference = 0.5 * np.square(levels[n:] - levels[:-n]).mean(axis=1)
        half[np.arange(count - n), np.arange(n, count)] = half[np.arange(n, count), np.arange(count - n)] = difference
    places = where[known]
    around = [np.r_[max(n - NEIGHBOURS, 0) : n, n + 1 : min(n + NEIGHBOURS + 1, count)] for n in range(1, count - 1)]
    spacing = float(places[-1] - places[0]) / (count - 1)

    def error(nugget: float, reach: float) -> float:
        total = 0.0
        for n, used in enumerate(around, start=1):
            weights = _weights(places[used], places[n], nugget, reach)
            total += 2 * weights @ half[n, used] - weights @ half[np.ix_(used, used)] @ weights
        return total

    candidates = [(nugget, float(reach)) for nugget in NUGGETS for reach in RANGES * spacing]
    errors = [error(*candidates[n]) for n in progress.steps(len(candidates), "Learning how the planes go over")]
    return candidates[int(np.argmin(errors))]


def _weights(places: NDArray[np.floating], target: float, nugget: float, reach: float) -> NDArray[np.float64]:
    """Weights of slices at some places for a guess at another; they add up to one."""

    def gamma(lag: NDArray[np.floating]) -> NDArray[np.floating]:
        return nugget + (1 - nugget) * (1 - (1 + lag / reach) * np.exp(-lag / reach))

    count = len(places)
    # Bordered by ones, so that the weights add up to one and the mean grey level need not be known.
    system = np.ones((count + 1, count + 1))
    system[:-1, :-1] = gamma(np.abs(places[:, None] - places)) * (1 - np.eye(count))
    system[-1, -1] = 0.0
    wanted = np.append(gamma(np.abs(places - target)), 1.0)
    return np.asarray(np.linalg.solve(system, wanted)[:-1])
