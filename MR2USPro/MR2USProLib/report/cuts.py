"""Cuts through volumes as a radiologist reads them, and the sheets of panels that show them to one scale."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from ..volume import Grid, Interpolation, Volume

INK, SOFT = "#20262b", "#5a646c"
TRUS, MR = "#43c6ea", "#ffab2e"
"""On every picture TRUS is blue and MR is orange."""

WIDTH_INCHES, DPI = 10.0, 130
_LEFT, _RIGHT, _TOP, _GAP = 0.34, 0.06, 0.32, 0.07  # margins in inches


@dataclass(frozen=True)
class Plane:
    """An anatomical plane: its name, where its pictures' right and bottom point (LPS), and the letters around it."""

    name: str
    right: tuple[float, float, float]
    down: tuple[float, float, float]
    letters: str  # left, right, top, bottom

    @property
    def normal(self) -> NDArray[np.float64]:
        """LPS unit vector into the picture, with which right and down are right-handed."""
        return np.cross(self.right, self.down)

    def at(self, grid: Grid, point_mm: NDArray[np.float64]) -> Grid:
        """One slice of square pixels through a point, across the whole of ``grid``.

        The slice lies along the world's axes, so it is anatomical for an oblique volume too.
        """
        axes = np.stack([self.right, self.down, self.normal], axis=1)
        corners = grid.corners() @ axes
        low, high = corners.min(axis=0), corners.max(axis=0)
        pixel_mm = float((high - low)[:2].max()) / 400
        columns, rows = np.maximum(np.round((high - low)[:2] / pixel_mm).astype(int), 1)
        first = np.array([low[0] + pixel_mm / 2, low[1] + pixel_mm / 2, np.asarray(point_mm) @ self.normal])
        return Grid((1, rows, columns), (pixel_mm, pixel_mm, pixel_mm), tuple(axes @ first), axes)


AXIAL = Plane("Axial", (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), "RLAP")
CORONAL = Plane("Coronal", (1.0, 0.0, 0.0), (0.0, 0.0, -1.0), "RLSI")
SAGITTAL = Plane("Sagittal", (0.0, 1.0, 0.0), (0.0, 0.0, -1.0), "APSI")
PLANES = (AXIAL, CORONAL, SAGITTAL)


@dataclass(frozen=True)
class Cut:
    """A plane, and the slice (1, rows, columns) in which it crosses a volume."""

    plane: Plane
    grid: Grid

    def sample(self, volume: Volume, interpolation: Interpolation = "linear") -> NDArray[np.float32]:
        """The volume on this cut, (rows, columns[, components]); NaN outside it."""
        array = np.asarray(volume.array, dtype=np.float32)
        return np.asarray(
            Volume(array, volume.grid).resampled(self.grid, interpolation=interpolation, outside=float("nan")).array[0]
        )

    @property
    def place(self) -> str:
        """Where the cut lies, for a heading."""
        axis = int(np.argmax(np.abs(self.plane.normal)))
        position = self.grid.origin_mm[axis]
        side = ("LR", "PA", "SI")[axis][int(position < 0)]
        return f"{self.plane.name}, {side} {abs(position):.0f} mm"


def three(grid: Grid, point_mm: ArrayLike) -> tuple[Cut, ...]:
    """The axial, the coronal and the sagittal cut of a grid through a point (LPS mm)."""
    return tuple(Cut(plane, plane.at(grid, np.asarray(point_mm, dtype=np.float64))) for plane in PLANES)


def centre_of(volume: Volume, mask: Volume | None = None) -> NDArray[np.float64]:
    """Where to cut: the centroid of the mask (not zero), or the middle of the volume without one."""
    if mask is None or not mask.array.any():
        return volume.grid.centre_mm
    return mask.grid.to_world(np.argwhere(mask.array).mean(axis=0)[::-1])


@dataclass(frozen=True)
class Window:
    """The grey values between which a picture goes from black to white."""

    low: float
    high: float

    @staticmethod
    def of(volume: Volume) -> Window:
        """From the darkest to the brightest percent of what the volume shows (its background left out)."""
        values = np.asarray(volume.array, dtype=np.float32)
        values = values[np.isfinite(values)]
        shown = values[values > values.min()] if values.size else values
        if not shown.size:
            return Window(0.0, 1.0)
        low, high = np.percentile(shown, (1, 99))
        if high <= low:  # one value before its background, as in a mask
            low = values.min()
        return Window(float(low), float(high))

    def __call__(self, values: NDArray[np.floating]) -> NDArray[np.floating]:
        """Values from 0 to 1; what is not there (NaN) is black."""
        return np.clip((np.nan_to_num(values, nan=self.low) - self.low) / (self.high - self.low), 0.0, 1.0)


@dataclass(frozen=True)
class Sheet:
    """A figure of equally scaled panels, one row below the other."""

    figure: Figure
    panels: tuple[tuple[Axes, ...], ...]

    @staticmethod
    def of(rows: Sequence[Sequence[Cut]], names: Sequence[str], columns: Sequence[str], right: float = _RIGHT) -> Sheet:
        """Black panels for cuts, all to one scale, with orientation letters and a scale bar.

        Args:
            rows: the cuts of each row; the panels of a column are as wide, those of a row as high as the largest.
            names: what to write beside each row.
            columns: what to write above each column.
            right: margin in inches on the right, such as for a colour bar.
        """
        extent = np.array([[cut.grid.extent_mm[:2] for cut in row] for row in rows])
        widths_mm, heights_mm = extent[..., 0].max(axis=0), extent[..., 1].max(axis=1)
        inches = (WIDTH_INCHES - _LEFT - right - _GAP * (len(columns) - 1)) / widths_mm.sum()
        total = float(heights_mm.sum() * inches + _TOP + _GAP * len(rows))
        figure = Figure(figsize=(WIDTH_INCHES, total), dpi=DPI, facecolor="white")
        panels, top = [], total - _TOP
        for row, name, height_mm in zip(rows, names, heights_mm, strict=True):
            bottom, left, line = top - height_mm * inches, _LEFT, []
            for cut, width_mm in zip(row, widths_mm, strict=True):
                box = left / WIDTH_INCHES, bottom / total, width_mm * inches / WIDTH_INCHES, (top - bottom) / total
                line.append(_panel(figure.add_axes(box), cut, width_mm, height_mm))
                left += width_mm * inches + _GAP
            _scale_bar(line[0], row[0])
            figure.text(
                0.1 / WIDTH_INCHES, (top + bottom) / 2 / total, name, rotation=90, va="center", ha="center",
                fontsize=10, color=INK,
            )  # fmt: skip
            panels.append(tuple(line))
            top = bottom - _GAP
        for axes, heading in zip(panels[0], columns, strict=True):
            axes.set_title(heading, fontsize=10, color=INK, pad=5)
        return Sheet(figure, tuple(panels))


_LABEL = {"boxstyle": "round,pad=0.2", "facecolor": "black", "alpha": 0.6, "linewidth": 0}


def _panel(axes: Axes, cut: Cut, width_mm: float, height_mm: float) -> Axes:
    """Black axes in pixels of the cut, which lies in their middle, with letters at the four sides."""
    axes.set_facecolor("black")
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
    pixel_mm, (rows, columns) = cut.grid.spacing_mm[0], cut.grid.shape[1:]
    x, y = (columns - 1) / 2, (rows - 1) / 2
    axes.set_xlim(x - width_mm / pixel_mm / 2, x + width_mm / pixel_mm / 2)
    axes.set_ylim(y + height_mm / pixel_mm / 2, y - height_mm / pixel_mm / 2)
    axes.set_autoscale_on(False)
    for letter, across, up in zip(cut.plane.letters, (0.035, 0.965, 0.5, 0.5), (0.5, 0.5, 0.95, 0.05), strict=True):
        axes.text(
            across, up, letter, transform=axes.transAxes, color="white", fontsize=9.5, weight="bold", ha="center",
            va="center", bbox=_LABEL, zorder=5,
        )  # fmt: skip
    return axes


def _scale_bar(axes: Axes, cut: Cut) -> None:
    """10, 20 or 50 mm in the lower left corner."""
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    pixel_mm, wide, high = cut.grid.spacing_mm[0], right - left, bottom - top
    length_mm = max((mm for mm in (10, 20, 50) if mm < wide * pixel_mm * 0.3), default=5)
    x, y = left + 0.05 * wide, bottom - 0.05 * high
    axes.plot([x, x + length_mm / pixel_mm], [y, y], color="white", linewidth=2.5, solid_capstyle="butt", zorder=5)
    axes.text(x + 0.01 * wide, y - 0.035 * high, f"{length_mm} mm", color="white", fontsize=9, bbox=_LABEL, zorder=5)


MOST_BYTES = 400_000
"""What a picture may weigh in all its colours; a page of ten stays below 6 MB."""


def png(figure: Figure) -> bytes:
    """A figure as a PNG: in all its colours, or in 256 and dithered where it would be heavy."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    full = Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3])
    stream = io.BytesIO()
    full.save(stream, "PNG")
    if stream.tell() <= MOST_BYTES:
        return stream.getvalue()
    # maximum coverage keeps thin lines and rare colours, which the median cut gives up
    best = full.quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    palette = np.array(best.getpalette(), dtype=np.uint8).reshape(-1, 3)
    for level in (0, 255):  # black panels and the white sheet stay exactly that
        palette[np.abs(palette.astype(int) - level).sum(axis=1).argmin()] = level
    best.putpalette(palette.tobytes())
    stream = io.BytesIO()
    full.quantize(palette=best, dither=Image.Dither.FLOYDSTEINBERG).save(stream, "PNG", optimize=True)
    return stream.getvalue()
