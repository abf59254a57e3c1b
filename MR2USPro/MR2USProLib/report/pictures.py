"""The pictures of volumes: what was reconstructed, translated and registered, cut along the anatomical planes."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb
from numpy.typing import ArrayLike, NDArray

from ..volume import Interpolation, Volume
from .cuts import AXIAL, INK, MR, SAGITTAL, SOFT, TRUS, Cut, Sheet, Window, centre_of, png, three
from .page import Picture

CONTOURS = " Outlines: the gland in TRUS blue, the gland in MR orange and dashed."


def three_cuts(
    volume: Volume, point_mm: ArrayLike | None = None, title: str = "Three cuts", caption: str = ""
) -> Picture:
    """A volume in three orthogonal cuts through a point (LPS mm), through its middle where none is given."""
    cuts = three(volume.grid, centre_of(volume) if point_mm is None else point_mm)
    sheet = Sheet.of([cuts], [""], _places(cuts))
    _grey_row(sheet.panels[0], cuts, volume)
    return Picture(
        title, png(sheet.figure), caption or "Look for one continuous gland, without steps between the frames."
    )


def filled_volume(sparse: Volume, filled: Volume, point_mm: ArrayLike | None = None) -> Picture:
    """The frames where they were acquired, and the volume with the gaps between them filled.

    Args:
        sparse: 0 or NaN where no frame lay.
        filled: on the same grid.
        point_mm: where to cut (LPS mm), the middle where it is not given; moved to the nearest slice with a frame.
    """
    index = sparse.grid.to_index(centre_of(sparse) if point_mm is None else point_mm)
    acquired = np.flatnonzero(np.nan_to_num(sparse.array).any(axis=(1, 2)))
    if acquired.size:  # an axial cut between two frames would have nothing to show
        index[2] = acquired[np.abs(acquired - index[2]).argmin()]
    cuts = three(filled.grid, sparse.grid.to_world(index))
    sheet = Sheet.of([cuts, cuts], ["Acquired frames", "Filled"], _places(cuts))
    window = Window.of(filled)
    _grey_row(sheet.panels[0], cuts, sparse, window, "nearest")
    _grey_row(sheet.panels[1], cuts, filled, window)
    return Picture(
        "Acquired frames and filled volume",
        png(sheet.figure),
        "Black gaps in the upper row are planes in which no frame lay. In the lower row they should have closed "
        "without streaks or steps; what stands there is an estimate and was not seen by the probe.",
    )


def overlay_cuts(
    fixed: Volume,
    before: Volume,
    after: Volume,
    fixed_gland: Volume | None = None,
    before_gland: Volume | None = None,
    after_gland: Volume | None = None,
    point_mm: ArrayLike | None = None,
) -> Picture:
    """MR in orange over grey TRUS, before and after the registration.

    Args:
        fixed: the TRUS.
        before: the MR as it first lay on the TRUS.
        after: the registered MR.
        fixed_gland: the gland in the TRUS, a mask (not zero) on any grid, to be outlined.
        before_gland: the gland in ``before``.
        after_gland: the gland in ``after``.
        point_mm: where to cut (LPS mm); the centroid of the fixed gland, or the middle of the TRUS.
    """
    cuts = three(fixed.grid, centre_of(fixed, fixed_gland) if point_mm is None else point_mm)
    sheet = Sheet.of([cuts, cuts], ["Before", "After"], _places(cuts))
    grey = Window.of(fixed)
    for panels, moving, gland in zip(sheet.panels, (before, after), (before_gland, after_gland), strict=True):
        warm = Window.of(moving)
        for axes, cut in zip(panels, cuts, strict=True):
            show(axes, overlaid(grey(cut.sample(fixed)), warm(cut.sample(moving))))
            contours(axes, cut, fixed_gland, gland)
    return Picture(
        "MR over TRUS",
        png(sheet.figure),
        "MR is orange, TRUS is grey. After the registration the border of the gland and what lies inside it should "
        "coincide in all three cuts." + (CONTOURS if fixed_gland or before_gland or after_gland else ""),
    )


def checkerboard_cuts(
    fixed: Volume,
    before: Volume,
    after: Volume,
    fixed_gland: Volume | None = None,
    before_gland: Volume | None = None,
    after_gland: Volume | None = None,
    point_mm: ArrayLike | None = None,
    square_mm: float = 10.0,
) -> Picture:
    """TRUS and MR in turn on a checkerboard, before and after the registration.

    Args:
        fixed: the TRUS.
        before: the MR as it first lay on the TRUS.
        after: the registered MR.
        fixed_gland: the gland in the TRUS, a mask (not zero) on any grid, to be outlined.
        before_gland: the gland in ``before``.
        after_gland: the gland in ``after``.
        point_mm: where to cut (LPS mm); the centroid of the fixed gland, or the middle of the TRUS.
        square_mm: edge of a square.
    """
    cuts = three(fixed.grid, centre_of(fixed, fixed_gland) if point_mm is None else point_mm)
    sheet = Sheet.of([cuts, cuts], ["Before", "After"], _places(cuts))
    grey = Window.of(fixed)
    for panels, moving, gland in zip(sheet.panels, (before, after), (before_gland, after_gland), strict=True):
        warm = Window.of(moving)
        for axes, cut in zip(panels, cuts, strict=True):
            points = cut.grid.points()[0] @ np.stack([cut.plane.right, cut.plane.down], axis=1)
            squares = np.floor(points / square_mm).sum(axis=-1) % 2 == 0
            trus, mr = grey(cut.sample(fixed)), warm(cut.sample(moving))
            picture = np.where(squares[..., None], trus[..., None], mr[..., None] * _pale(MR))
            show(axes, picture)
            contours(axes, cut, fixed_gland, gland)
    return Picture(
        "Checkerboard of TRUS and MR",
        png(sheet.figure),
        f"Squares of {square_mm:g} mm show TRUS (grey) and MR (orange tint) in turn. After the registration edges "
        "should run on from square to square without a step."
        + (CONTOURS if fixed_gland or before_gland or after_gland else ""),
    )


def translated_pair(
    mr: Volume, us: Volume, mr_translated: Volume, us_translated: Volume, point_mm: ArrayLike | None = None
) -> Picture:
    """MR and TRUS, and between them what the translation made of both: an axial and a sagittal cut.

    Args:
        mr: the MR.
        us: the TRUS; on one grid with the MR both are cut at one place.
        mr_translated: the MR in the intermediate modality.
        us_translated: the TRUS in the intermediate modality.
        point_mm: where to cut (LPS mm); the middle of each image where it is not given.
    """
    volumes = (mr, mr_translated, us_translated, us)
    centres = [centre_of(volume) if point_mm is None else np.asarray(point_mm, dtype=np.float64) for volume in volumes]
    rows = [
        [Cut(plane, plane.at(volume.grid, centre)) for volume, centre in zip(volumes, centres, strict=True)]
        for plane in (AXIAL, SAGITTAL)
    ]
    sheet = Sheet.of(rows, ["Axial", "Sagittal"], ["MR", "MR, translated", "TRUS, translated", "TRUS"])
    for number, volume in enumerate(volumes):
        window = Window.of(volume)
        for panels, cuts in zip(sheet.panels, rows, strict=True):
            show(panels[number], window(cuts[number].sample(volume)))
    return Picture(
        "MR and TRUS in one intermediate modality",
        png(sheet.figure),
        "The two middle columns should look alike: the gland dark and even inside, its border kept where the outer "
        "columns show it. What differs there cannot guide the registration.",
    )


def deformation_grid(fixed: Volume, displacement: Volume, point_mm: ArrayLike | None = None) -> Picture:
    """A deformed grid over the TRUS, and the length of the displacement in mm.

    Args:
        fixed: the TRUS.
        displacement: (k, j, i, 3) in LPS mm, from fixed to moving points.
        point_mm: where to cut (LPS mm); the middle of the TRUS where it is not given.
    """
    cuts = three(fixed.grid, centre_of(fixed) if point_mm is None else point_mm)
    sheet = Sheet.of([cuts, cuts], ["Deformed grid", "Displacement"], _places(cuts), right=0.75)
    grey = Window.of(fixed)
    field = np.asarray(displacement.array, dtype=np.float32)
    shift = field.reshape(-1, 3).mean(axis=0)
    length = Volume(np.linalg.norm(field, axis=-1), displacement.grid)
    longest = max(float(length.array.max()), 1e-3)
    step_mm = 5.0
    for axes, below, cut in zip(*sheet.panels, cuts, strict=True):
        show(axes, 0.75 * grey(cut.sample(fixed)))
        axes.add_collection(LineCollection(_lattice(cut, displacement, shift, step_mm), colors=TRUS, linewidths=0.8))
        colours = below.imshow(
            np.ma.masked_invalid(cut.sample(length)),
            cmap="viridis",
            vmin=0,
            vmax=longest,
            interpolation="bilinear",
            aspect="auto",
        )
        below.set_facecolor("black")
    box = sheet.panels[1][-1].get_position()
    bar = sheet.figure.colorbar(colours, cax=sheet.figure.add_axes((box.x1 + 0.01, box.y0, 0.015, box.height)))
    bar.set_label("mm", fontsize=10, color=INK)
    bar.ax.tick_params(labelsize=9, colors=SOFT)
    bar.outline.set_visible(False)
    return Picture(
        "Deformation",
        png(sheet.figure),
        f"Lines {step_mm:g} mm apart, moved by the displacement less its mean (a shift of "
        f"{np.linalg.norm(shift):.1f} mm): they should bend smoothly and never cross. Below, how far each point moves "
        f"in all, at most {longest:.1f} mm.",
    )


def _lattice(
    cut: Cut, displacement: Volume, shift_mm: NDArray[np.floating], step_mm: float
) -> list[NDArray[np.float64]]:
    """Lines (n, 2) in pixels of the cut: every ``step_mm`` a row and a column, carried along."""
    pixel_mm, (rows, columns) = cut.grid.spacing_mm[0], cut.grid.shape[1:]
    moved = (cut.sample(displacement) - shift_mm) @ np.stack([cut.plane.right, cut.plane.down], axis=1) / pixel_mm
    y, x = np.mgrid[:rows, :columns]
    place = np.stack([x, y], axis=-1) + moved
    every = step_mm / pixel_mm
    across = np.round(np.arange(rows / 2 % every, rows - 0.5, every)).astype(int)
    along = np.round(np.arange(columns / 2 % every, columns - 0.5, every)).astype(int)
    lines = [place[row] for row in across] + [place[:, column] for column in along]
    return [line[np.isfinite(line).all(axis=1)] for line in lines]


def _places(cuts: tuple[Cut, ...]) -> list[str]:
    return [cut.place for cut in cuts]


def show(axes: Axes, picture: NDArray[np.floating]) -> None:
    """Grey (rows, columns) or colour (rows, columns, 3), from 0 to 1."""
    axes.imshow(np.clip(picture, 0, 1), cmap="gray", vmin=0, vmax=1, interpolation="bilinear", aspect="auto")


def _grey_row(
    panels: tuple[Axes, ...],
    cuts: tuple[Cut, ...],
    volume: Volume,
    window: Window | None = None,
    interpolation: Interpolation = "linear",
) -> None:
    window = window or Window.of(volume)
    for axes, cut in zip(panels, cuts, strict=True):
        show(axes, window(cut.sample(volume, interpolation)))


def _pale(colour: str) -> NDArray[np.float64]:
    """A colour half way to white: enough to tell two images apart, and both still readable."""
    return (np.asarray(to_rgb(colour)) + 1.0) / 2.0


def overlaid(trus: NDArray[np.floating], mr: NDArray[np.floating]) -> NDArray[np.floating]:
    """Grey TRUS under orange MR, which covers the more the brighter it is."""
    cover = 0.6 * mr[..., None]
    return trus[..., None] * (1 - cover) + np.asarray(to_rgb(MR)) * cover


def contours(axes: Axes, cut: Cut, fixed_gland: Volume | None, moving_gland: Volume | None) -> None:
    """The glands' outlines; the moving one is dashed, so that both show where they coincide."""
    from scipy.ndimage import gaussian_filter

    for gland, colour, style in ((fixed_gland, TRUS, "solid"), (moving_gland, MR, (0, (3, 2)))):
        if gland is None:
            continue
        # a mask has stairs as high as its voxels, which nobody drew
        soft = gaussian_filter((gland.array != 0).astype(np.float32), 0.8)
        inside = np.nan_to_num(cut.sample(Volume(soft, gland.grid)))
        if inside.max() > 0.5:
            axes.contour(inside, levels=[0.5], colors=[colour], linewidths=1.7, linestyles=[style])
