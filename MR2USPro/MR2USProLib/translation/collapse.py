"""Whether a translation is one: the ways in which the losses can be small and the pictures worthless."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from .generator import Generator
from .guards import edge_agreement
from .losses import c3x3, c7x7, depthwise, gaussian_kernel, sobel
from .masking import eroded, masked_mean, neutral_outside, shrunk

LEAST_EDGES = 0.2
LEAST_EDGES_OF_A_TEMPLATE = 0.4
TEMPLATE = 0.9
GRAIN = 0.1
LEAST_CONTRAST = 0.1
LEAST_RULER = 0.25
WORTH_CLOSING = 0.3
LEAST_CLOSED = 0.1

FloatArray = NDArray[np.float32]


@dataclass(frozen=True)
class Health:
    """What a translation was measured to be.

    Attributes:
        edges_mr, edges_us: how far the edges are those of the source, 1 all of them, 0 unrelated. A contrast that
            flips everywhere or region by region counts as kept.
        grain_mr, grain_us: share of the variance that is finer than a Gaussian of one voxel (stripes, checkerboard).
        contrast_mr, contrast_us: standard deviation, as a multiple of the source's.
        template: correlation of slices half a volume apart, the larger of MR and US. Near 1 without the sources'
            edges, one picture has become the answer to every input.
        gap_before, gap_after: squared difference of MR and US over their mean variance.
        ruler: what the features that measure the losses still see of the sources, as a share of what they saw at first.
        reasons: what is wrong, in sentences; empty for a sound translation.
    """

    edges_mr: float
    edges_us: float
    grain_mr: float
    grain_us: float
    contrast_mr: float
    contrast_us: float
    template: float
    gap_before: float
    gap_after: float
    ruler: float
    reasons: tuple[str, ...]

    @property
    def collapsed(self) -> bool:
        """Whether the translation must not be trusted."""
        return bool(self.reasons)


def examine(
    mr_0: FloatArray,
    us_0: FloatArray,
    mr_1: FloatArray,
    us_1: FloatArray,
    valid: NDArray[np.bool_],
    ruler: float = 1.0,
    offset: tuple[int, int] = (0, 0),
) -> Health:
    """Measure a translation against its sources.

    Args:
        mr_0: (k, j, i), the MR that went in, in [-1, 1].
        us_0: the US that went in, likewise.
        mr_1: the translated MR.
        us_1: the translated US.
        valid: (k, j, i), where the pictures are real.
        ruler: see :class:`Health`; :func:`sight` before and after the fit gives it.
        offset: (rows, columns) by which the MR has to move for the gap to be measured.
    """
    inside = _slices(valid)
    pairs = {"MR": (_slices(mr_0), _slices(mr_1)), "US": (_slices(us_0), _slices(us_1))}
    edges = {name: _edges(after, before, inside) for name, (before, after) in pairs.items()}
    grain = {name: _grain(after, inside) for name, (_, after) in pairs.items()}
    contrast = {name: _deviation(after, inside) / _deviation(before, inside) for name, (before, after) in pairs.items()}
    template = {name: _template(after, inside) for name, (_, after) in pairs.items()}
    gap_before, gap_after = gap(mr_0, us_0, valid, offset), gap(mr_1, us_1, valid, offset)

    reasons: list[str] = []
    for name, (before, _) in pairs.items():
        if contrast[name] < LEAST_CONTRAST:
            reasons.append(
                f"The translated {name} is all but constant ({contrast[name]:.0%} of its source's contrast)."
            )
        if edges[name] < LEAST_EDGES:
            reasons.append(f"The translated {name} lost the edges of its source (agreement {edges[name]:.2f}).")
        if template[name] > TEMPLATE and edges[name] < LEAST_EDGES_OF_A_TEMPLATE:
            reasons.append(f"The translated {name} is one picture for every slice (correlation {template[name]:.2f}).")
        if grain[name] > max(GRAIN, _grain(before, inside)):
            reasons.append(f"The translated {name} is striped or grainy ({grain[name]:.0%} of its variance).")
    if ruler < LEAST_RULER:
        reasons.append(f"The losses went blind: their features see {ruler:.0%} of what they saw at first.")
    if gap_before > WORTH_CLOSING and gap_after > (1 - LEAST_CLOSED) * gap_before:
        reasons.append(f"MR and US are no more alike than before (difference {gap_before:.2f}, now {gap_after:.2f}).")
    return Health(
        edges["MR"], edges["US"], grain["MR"], grain["US"], contrast["MR"], contrast["US"],
        max(template.values()), gap_before, gap_after, ruler, tuple(reasons),
    )  # fmt: skip


def gap(a: FloatArray, b: FloatArray, valid: NDArray[np.bool_], offset: tuple[int, int] = (0, 0)) -> float:
    """Mean squared difference of two pictures over the mean of their variances; 2 for unrelated pictures.

    Args:
        a: (k, j, i).
        b: (k, j, i).
        valid: (k, j, i).
        offset: (rows, columns) by which ``a`` is moved first.
    """
    moved, there = np.roll(a, offset, axis=(1, 2)), np.roll(valid, offset, axis=(1, 2))
    # What roll brings in from the other side is no part of the picture.
    for axis, step in zip((1, 2), offset, strict=True):
        index = np.arange(a.shape[axis]) - step
        outside = (index < 0) | (index >= a.shape[axis])
        there[(slice(None),) * axis + (outside,)] = False
    both = valid & there
    x, y = moved[both], b[both]
    return float(np.mean((x - y) ** 2)) / max((float(x.var()) + float(y.var())) / 2, 1e-12)


def sight(model: Generator, picture: Tensor, valid: Tensor) -> float:
    """How much the features that measure the losses see of a raw picture (slice, 1, height, width).

    The geometric mean of the mean slope of its deep features (equation 10) and the deviation of its shallow ones
    (equation 13): 0 where either is blind.
    """
    with torch.no_grad():
        shallow, deep = model.features(picture, valid)
        slope = masked_mean(sobel(c3x3(deep)).abs().flatten(1, 2), eroded(shrunk(valid, *deep.shape[-2:]), 1))
        smooth = c7x7(shallow)
        spread = masked_mean((smooth - smooth.mean(dim=(2, 3), keepdim=True)) ** 2, valid).sqrt()
        return float((slope * spread).sqrt())


def _slices(array: NDArray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array))[:, None]


def _edges(after: Tensor, before: Tensor, inside: Tensor) -> float:
    return max(float(edge_agreement(after, before, inside, signed)) for signed in (True, False))


def _deviation(x: Tensor, inside: Tensor) -> float:
    return max(float(x[inside].std()), 1e-12)


def _grain(x: Tensor, inside: Tensor) -> float:
    fine = x - depthwise(neutral_outside(x, inside), gaussian_kernel(7, 1.0))
    core = eroded(inside, 4)
    core = core & F.pad(torch.ones_like(core[..., 4:-4, 4:-4]), (4, 4, 4, 4), value=False)
    return float(masked_mean(fine**2, core)) / max(float(x[inside].var()), 1e-12)


def _template(x: Tensor, inside: Tensor) -> float:
    half = x.shape[0] // 2
    correlations = []
    for first in range(x.shape[0] - half) if half else ():
        both = inside[first] & inside[first + half]
        if int(both.sum()) > 16:
            pair = torch.stack([x[first][both], x[first + half][both]])
            # Constant slices have no correlation; whether they are worthless is for the contrast to say.
            correlations.append(float(torch.nan_to_num(torch.corrcoef(pair)[0, 1])))
    return float(np.mean(correlations)) if correlations else 0.0
