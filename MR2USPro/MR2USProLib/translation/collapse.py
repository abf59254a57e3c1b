"""Whether a translation is one: the ways in which the losses can be small and the pictures worthless."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from .generator import Generator
from .guards import edge_agreement, without_fine
from .losses import c3x3, c7x7, sobel
from .masking import eroded, masked_mean, shrunk

LEAST_EDGES = 0.2
LEAST_EDGES_OF_A_TEMPLATE = 0.4
TEMPLATE = 0.9
GRAIN = 0.1
STREAKS = 2.0
STREAKS_BEYOND_SOURCE = 1.0
LEAST_STREAKED = 0.01
"""Share of the variance that fine detail has to have before stripes in it can be seen."""
LEAST_CONTRAST = 0.1
LEAST_RULER = 0.25
WORTH_CLOSING = 0.3
LEAST_CLOSED = 0.1
LEAST_CHANGE = 0.05

FloatArray = NDArray[np.float32]


@dataclass(frozen=True)
class Health:
    """What a translation, or the mean of several patients', was measured to be.

    Attributes:
        edges_mr, edges_us: how far the edges are those of the source, 1 all of them, 0 unrelated. A contrast that
            flips everywhere or region by region counts as kept.
        signed_mr, signed_us: the same where a flip counts as -1.
        grain_mr, grain_us: share of the variance that is finer than a Gaussian of one voxel (checkerboard, noise).
        streaks_mr, streaks_us: how far that fine detail runs one way: its energy across the rows over that across the
            columns, or the other way round, as a power of two. Below 1 in tissue; 2 to 4 where a network draws stripes.
        contrast_mr, contrast_us: standard deviation, as a multiple of the source's.
        template: correlation of slices half a volume apart, the larger of MR and US. Near 1 without the sources'
            edges, one picture has become the answer to every input.
        between: correlation of different patients' translations, the larger of MR and US; 0 for one patient.
        gap_before, gap_after: squared difference of MR and US over their mean variance.
        ruler: what the features that measure the losses still see of the sources, as a share of what they saw at first.
        reasons: what is wrong, in sentences; empty for a sound translation.
    """

    edges_mr: float
    edges_us: float
    signed_mr: float
    signed_us: float
    grain_mr: float
    grain_us: float
    streaks_mr: float
    streaks_us: float
    contrast_mr: float
    contrast_us: float
    template: float
    between: float
    gap_before: float
    gap_after: float
    ruler: float
    reasons: tuple[str, ...]

    @property
    def collapsed(self) -> bool:
        """Whether the translation must not be trusted."""
        return bool(self.reasons)


@dataclass(frozen=True)
class Outcome:
    """A pair and what became of it, each (k, j, i) in [-1, 1].

    Attributes:
        mr_0, us_0: what went in.
        mr_1, us_1: the translation.
        valid: where the pictures are real.
        offset: (rows, columns) by which the MR has to move for the gap to be measured.
    """

    mr_0: FloatArray
    us_0: FloatArray
    mr_1: FloatArray
    us_1: FloatArray
    valid: NDArray[np.bool_]
    offset: tuple[int, int] = (0, 0)


def examine(pairs: Sequence[Outcome], ruler: float = 1.0, *, unfinished: bool = False) -> Health:
    """Measure the translations of one patient, or of several by the same network, against their sources.

    Args:
        pairs: of different patients.
        ruler: see :class:`Health`; :func:`sight` before and after the training gives it.
        unfinished: whether the training still goes on, so that MR and US need not be alike yet.
    """
    figures = [_figures(pair) for pair in pairs]
    found = {name: float(np.mean([f[name] for f in figures])) for name in figures[0]}
    masks = [pair.valid for pair in pairs]
    between = {
        "mr": between_patients([pair.mr_1 for pair in pairs], masks),
        "us": between_patients([pair.us_1 for pair in pairs], masks),
    }
    reasons: list[str] = []
    for side, name in (("mr", "MR"), ("us", "US")):
        edges, contrast, grain = found[f"edges_{side}"], found[f"contrast_{side}"], found[f"grain_{side}"]
        if contrast < LEAST_CONTRAST:
            text = f"The translated {name} is all but constant ({100 * contrast:.0f} % of its source's contrast)."
            reasons.append(text)
        if edges < LEAST_EDGES:
            reasons.append(f"The translated {name} lost the edges of its source (agreement {edges:.2f}).")
        if edges < LEAST_EDGES_OF_A_TEMPLATE:
            if found[f"template_{side}"] > TEMPLATE:
                reasons.append(
                    f"The translated {name} is one picture for every slice "
                    f"(correlation {found[f'template_{side}']:.2f})."
                )
            if between[side] > TEMPLATE:
                reasons.append(
                    f"The translated {name} is one picture for every patient (correlation {between[side]:.2f})."
                )
        if grain > max(GRAIN, found[f"source_grain_{side}"]):
            reasons.append(f"The translated {name} is grainy ({100 * grain:.0f} % of its variance).")
        streaks, source_streaks = found[f"streaks_{side}"], found[f"source_streaks_{side}"]
        striped = grain > LEAST_STREAKED and streaks > max(STREAKS, source_streaks + STREAKS_BEYOND_SOURCE)
        if striped and not unfinished:  # a run may draw some on its way and lose them again
            reasons.append(
                f"The translated {name} is striped: {2**streaks:.0f} times as much of its fine detail runs one way as "
                "the other."
            )
    if ruler < LEAST_RULER:
        reasons.append(f"The losses went blind: their features see {100 * ruler:.0f} % of what they saw at first.")
    before, after = found["gap_before"], found["gap_after"]
    # Two anatomies that do not lie on each other differ by 2 however alike they look, and a TRUS that is to stay what
    # it is does not come nearer: a difference that stays is a fault only where the pictures stayed the same, too.
    stayed = max(found["change_mr"], found["change_us"]) < LEAST_CHANGE
    if not unfinished and stayed and before > WORTH_CLOSING and after > (1 - LEAST_CLOSED) * before:
        reasons.append(f"MR and US are no more alike than before (difference {before:.2f}, now {after:.2f}).")
    own = {field.name: found[field.name] for field in fields(Health) if field.name in found}
    return Health(
        **own,
        template=max(found["template_mr"], found["template_us"]),
        between=max(between.values()),
        ruler=ruler,
        reasons=tuple(reasons),
    )


def _figures(pair: Outcome) -> dict[str, float]:
    """What can be said of one pair alone."""
    inside = _slices(pair.valid)
    found = {
        "gap_before": gap(pair.mr_0, pair.us_0, pair.valid, pair.offset),
        "gap_after": gap(pair.mr_1, pair.us_1, pair.valid, pair.offset),
    }
    for side, source, translated in (("mr", pair.mr_0, pair.mr_1), ("us", pair.us_0, pair.us_1)):
        before, after = _slices(source), _slices(translated)
        signed = float(edge_agreement(after, before, inside))
        found |= {
            f"change_{side}": gap(translated, source, pair.valid),
            f"signed_{side}": signed,
            f"edges_{side}": max(signed, float(edge_agreement(after, before, inside, signed=False))),
            f"grain_{side}": _grain(after, inside),
            f"source_grain_{side}": _grain(before, inside),
            f"streaks_{side}": _streaks(after, inside),
            f"source_streaks_{side}": _streaks(before, inside),
            f"contrast_{side}": _deviation(after, inside) / _deviation(before, inside),
            f"template_{side}": _template(after, inside),
        }
    return found


def between_patients(pictures: Sequence[FloatArray], valid: Sequence[NDArray[np.bool_]]) -> float:
    """Mean correlation of different patients' pictures, voxel with voxel; 0 for fewer than two.

    Args:
        pictures: (k, j, i), of any shapes; each is brought to the first one's.
        valid: (k, j, i), where they are real.
    """
    shape = list(pictures[0].shape)
    stacks = [F.interpolate(torch.from_numpy(np.ascontiguousarray(x))[None, None], shape)[0, 0] for x in pictures]
    masks = [F.interpolate(torch.from_numpy(x)[None, None].float(), shape)[0, 0] > 0 for x in valid]
    found = []
    for first in range(len(stacks)):
        for second in range(first):
            both = masks[first] & masks[second]
            if int(both.sum()) > 16:
                pair = torch.stack([stacks[first][both], stacks[second][both]])
                found.append(float(torch.nan_to_num(torch.corrcoef(pair)[0, 1])))
    return float(np.mean(found)) if found else 0.0


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


def _deviation(x: Tensor, inside: Tensor) -> float:
    return max(float(x[inside].std()), 1e-12)


def _grain(x: Tensor, inside: Tensor) -> float:
    fine, core = _fine(x, inside)
    return float(masked_mean(fine**2, core)) / max(float(x[inside].var()), 1e-12)


def _streaks(x: Tensor, inside: Tensor) -> float:
    fine, core = _fine(x, inside)
    across = [
        float(
            masked_mean((fine.narrow(axis, 1, n - 1) - fine.narrow(axis, 0, n - 1)) ** 2, core.narrow(axis, 0, n - 1))
        )
        for axis, n in ((2, x.shape[2]), (3, x.shape[3]))
    ]
    return abs(math.log2(max(across[0], 1e-12) / max(across[1], 1e-12)))


def _fine(x: Tensor, inside: Tensor) -> tuple[Tensor, Tensor]:
    """What a Gaussian of one voxel takes away, and where that can be told: away from every rim."""
    fine = x - without_fine(x, inside)
    core = eroded(inside, 4)
    return fine, core & F.pad(torch.ones_like(core[..., 4:-4, 4:-4]), (4, 4, 4, 4), value=False)


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
