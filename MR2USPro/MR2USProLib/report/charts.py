"""The charts of a reconstruction and of a training: the sagittal map, the frames' positions, the losses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from .cuts import DPI, INK, SOFT, WIDTH_INCHES, png
from .page import Picture

COLOURS = ("#0b6e87", "#c8640a", "#7a4a9e", "#3d7d3a", "#a5281b", "#5a646c")
MARKERS = ("o", "X", "^", "s", "D", "v")


def sagittal_map(
    sagittal_map: ArrayLike,
    column_spacing_mm: float,
    row_spacing_mm: float,
    positions_mm: ArrayLike | None = None,
) -> Picture:
    """The stitched sagittal plane, on which a step means a frame in the wrong place.

    Args:
        sagittal_map: (rows, columns), NaN where no frame lay.
        column_spacing_mm: along the probe, the feet on the right.
        row_spacing_mm: away from the probe.
        positions_mm: where each frame's left edge lies, frame 0 at 0; drawn as a tick each, and the map begins at the
            smallest of them.
    """
    picture = np.asarray(sagittal_map, dtype=np.float64)
    rows, columns = picture.shape
    positions = np.zeros(0) if positions_mm is None else np.asarray(positions_mm, dtype=np.float64)
    positions = positions[np.isfinite(positions)]
    left = float(positions.min()) if positions.size else 0.0
    width_mm, height_mm = columns * column_spacing_mm, rows * row_spacing_mm
    across, above, below = WIDTH_INCHES - 0.9, 0.3, 0.55
    tall = min(across * height_mm / width_mm, 6.0)
    across = tall * width_mm / height_mm
    figure = Figure(figsize=(WIDTH_INCHES, tall + above + below), dpi=DPI, facecolor="white")
    total = tall + above + below
    axes = figure.add_axes((0.65 / WIDTH_INCHES, below / total, across / WIDTH_INCHES, tall / total))
    axes.set_facecolor("black")
    known = picture[np.isfinite(picture)]
    low, high = np.percentile(known, (1, 99.5)) if known.size else (0.0, 1.0)
    axes.imshow(
        np.ma.masked_invalid(picture), cmap="gray", vmin=low, vmax=max(high, low + 1e-6), aspect="auto",
        interpolation="antialiased", extent=(left, left + width_mm, height_mm, 0.0),
    )  # fmt: skip
    if positions.size:
        axes.plot(positions, np.zeros_like(positions), "|", color=COLOURS[1], markersize=9, clip_on=False, zorder=4)
    _plain(axes)
    axes.grid(visible=False)
    axes.set_xlabel("head  ←   mm along the probe   →  feet", fontsize=10, color=INK)
    axes.set_ylabel("mm from the probe", fontsize=10, color=INK)
    ticks = " Each orange tick at the upper edge is where a frame begins." if positions.size else ""
    return Picture(
        "Stitched sagittal map",
        png(figure),
        "Boundaries should run on smoothly from left to right; a step or a doubled edge means frames in the wrong "
        "place." + ticks,
    )


def positions_over_time(
    positions_mm: ArrayLike,
    status: Sequence[str],
    truth_mm: ArrayLike | None = None,
    confidence: ArrayLike | None = None,
) -> Picture:
    """Where along the probe each frame was found.

    Args:
        positions_mm: of each frame, frame 0 at 0.
        status: of each frame, as in ``positions.csv``; each gets its own mark.
        truth_mm: where the frames really were, for a simulated exam.
        confidence: of each frame, from 0 to 1.
    """
    positions = np.asarray(positions_mm, dtype=np.float64)
    frames, states = np.arange(len(positions)), np.asarray(status, dtype=str)
    figure = Figure(figsize=(WIDTH_INCHES, 3.6 if confidence is None else 4.7), dpi=DPI, facecolor="white")
    figure.set_layout_engine("constrained")
    if confidence is None:
        axes = last = figure.subplots()
    else:
        axes, last = figure.subplots(2, sharex=True, height_ratios=(3, 1))
        values = np.asarray(confidence, dtype=np.float64)
        last.fill_between(frames, 0, values, color=COLOURS[0], alpha=0.25, linewidth=0)
        last.plot(frames, values, color=COLOURS[0], linewidth=1)
        last.set_ylim(0, 1.02)
        last.set_ylabel("Confidence", fontsize=10, color=INK)
        _plain(last)
    if truth_mm is not None:
        axes.plot(frames, np.asarray(truth_mm, dtype=np.float64), color=SOFT, linewidth=3.5, alpha=0.4, label="truth")
    for number, (state, count) in enumerate(Counter(states.tolist()).most_common()):
        here = states == state
        axes.plot(
            frames[here], positions[here], MARKERS[number % len(MARKERS)], color=COLOURS[number % len(COLOURS)],
            markersize=3 if number == 0 else 6, label=f"{state} ({count})",
        )  # fmt: skip
    _plain(axes)
    axes.set_ylabel("Position (mm, feet positive)", fontsize=10, color=INK)
    last.set_xlabel("Frame", fontsize=10, color=INK)
    axes.legend(frameon=False, fontsize=9.5, labelcolor=INK, loc="best")
    caption = "The marks should form one smooth line, as the hand moved; jumps and gaps are frames to distrust."
    if truth_mm is not None:
        off = np.abs(positions - np.asarray(truth_mm, dtype=np.float64))
        off = off[np.isfinite(off)]
        if off.size:
            caption += (
                f" The grey band is the truth: the positions are {off.mean():.2f} mm from it on average and "
                f"{off.max():.2f} mm at most."
            )
    return Picture("Positions of the frames", png(figure), caption)


def loss_curves(history: Mapping[str, Sequence[float]]) -> Picture:
    """How each loss fell (or did not) over the steps of a training or of a fit to one pair; one small chart each."""
    known = {name: np.asarray(values, dtype=np.float64) for name, values in history.items() if len(values)}
    across = min(max(len(known), 1), 3)
    down = -(-max(len(known), 1) // across)
    figure = Figure(figsize=(WIDTH_INCHES, 2.5 * down), dpi=DPI, facecolor="white")
    figure.set_layout_engine("constrained")
    panels = figure.subplots(down, across, squeeze=False).ravel()
    for axes, (name, values) in zip(panels, known.items(), strict=False):
        steps = np.arange(1, len(values) + 1)
        smooth = _running_mean(values, max(len(values) // 20, 1))
        axes.plot(steps, values, color=COLOURS[0], linewidth=0.8, alpha=0.35)
        axes.plot(steps, smooth, color=COLOURS[0], linewidth=1.6)
        axes.set_title(name.replace("_", " "), fontsize=10, color=INK, loc="left")
        _plain(axes)
    for axes in panels[len(known) :]:
        axes.set_axis_off()
    for axes in panels[max(len(known) - across, 0) : len(known)]:
        axes.set_xlabel("Step", fontsize=10, color=INK)
    return Picture(
        "Losses",
        png(figure),
        "Pale: every step; strong: the running mean. They should have levelled out by the end; one that still falls "
        "asks for more steps.",
    )


def _running_mean(values: np.ndarray, half: int) -> np.ndarray:
    """Mean over up to ``half`` steps on either side."""
    total = np.concatenate([[0.0], np.cumsum(values)])
    steps = np.arange(len(values))
    first, last = np.maximum(steps - half, 0), np.minimum(steps + half + 1, len(values))
    return (total[last] - total[first]) / (last - first)


def _plain(axes: Axes) -> None:
    axes.tick_params(labelsize=9, colors=SOFT, length=3)
    axes.spines[["top", "right"]].set_visible(False)
    for spine in axes.spines.values():
        spine.set_color("#b9bfc3")
    axes.grid(axis="y", color="#e6e8e9", linewidth=0.7)
    axes.set_axisbelow(True)
