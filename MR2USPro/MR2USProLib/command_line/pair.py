"""The commands about one pair of MR and TRUS volume: translated, registered, and what becomes of its transform."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from .console import front_end
from .options import (
    DeviceOption,
    Events,
    FixedRoi,
    Initial,
    MovingFile,
    Out,
    PresetOption,
    Seed,
    Threads,
    Unused,
    numbers,
)

app = typer.Typer()


@app.command()
def translate(
    out: Out,
    mr: Annotated[Path, typer.Option(help="The MR volume.")],
    us: Annotated[Path, typer.Option(help="The TRUS volume.")],
    method: Annotated[
        Literal["acmt", "pmt", "unsb"], typer.Option(help="How the two are translated; unsb takes the MR to the US.")
    ] = "acmt",
    weights: Annotated[
        Path | None, typer.Option(help="A trained network; without one, a network is fitted to the pair.")
    ] = None,
    initial: Initial = "none",
    fixed_roi: FixedRoi = None,
    preset: PresetOption = "fast",
    strict_paper: Annotated[
        bool, typer.Option("--strict-paper", help="Leave out what keeps the printed losses from collapsing.")
    ] = False,
    sample: Annotated[
        bool, typer.Option("--sample", help="One random translation, by --seed; else the bridge's noise is off.")
    ] = False,
    seed: Seed = 0,
    device: DeviceOption = "auto",
    threads: Threads = None,
    events: Events = False,
) -> None:
    """Take MR and TRUS to one intermediate modality: mr_translated.nrrd, us_translated.nrrd."""
    with front_end(events, out / "report.html") as progress:
        from ..commands.translate import run

        run(
            out=out,
            mr=mr,
            us=us,
            method=method,
            weights=weights,
            initial=initial,
            fixed_roi=numbers("--fixed-roi", fixed_roi, 6, float),
            preset=preset,
            strict_paper=strict_paper,
            sample=sample,
            seed=seed,
            device=device,
            threads=threads,
            progress=progress,
        )


@app.command()
def register(
    out: Out,
    moving: MovingFile,
    fixed: Annotated[Path, typer.Option(help="The TRUS volume.")],
    initial: Initial = "none",
    translation: Annotated[
        Literal["auto", "acmt", "pmt", "unsb", "none"],
        typer.Option(
            help="Modality translation; auto: before a network acmt (or as --weights were trained), else none."
        ),
    ] = "auto",
    registration: Annotated[
        Literal["auto", "self-similarity", "anatomy-aware", "fsdiffreg", "diffusemorph", "voxelmorph", "surfaces"],
        typer.Option(
            help="self-similarity: what both images show alike, no network; a network; surfaces: masks and landmark "
            "pairs alone; auto: the network in --weights, else self-similarity."
        ),
    ] = "auto",
    preset: PresetOption = "balanced",
    fixed_roi: FixedRoi = None,
    moving_roi: Annotated[
        str | None, typer.Option(help="A box around the gland in the MR, likewise, some 10 mm too large as the other.")
    ] = None,
    find_glands: Annotated[
        bool,
        typer.Option(
            "--find-glands/--keep-start", help="Better the start by where the glands are seen in their boxes."
        ),
    ] = True,
    double_slices: Annotated[
        bool, typer.Option("--double-slices", help="Paint a slice between every two slices of the MR first.")
    ] = False,
    weights: Annotated[
        Path | None, typer.Option(help="Trained networks; what they do not hold is fitted to the pair.")
    ] = None,
    no_refine: Annotated[
        bool, typer.Option("--no-refine", help="Take a trained registration as it is, without fitting it to the pair.")
    ] = False,
    incompressible: Annotated[
        bool, typer.Option("--incompressible", help="Let the tissue change its volume as little as possible.")
    ] = False,
    moving_mask: Annotated[
        Path | None, typer.Option(help="The gland in the MR, drawn beforehand (not 0), to guide the registration.")
    ] = None,
    fixed_mask: Annotated[Path | None, typer.Option(help="The gland in the TRUS volume, likewise.")] = None,
    moving_points: Annotated[
        Path | None, typer.Option(help="Places marked in the MR, CSV (name,x,y,z, LPS mm) or .mrk.json, to guide it.")
    ] = None,
    fixed_points: Annotated[
        Path | None, typer.Option(help="The same places in the TRUS volume, in the same order.")
    ] = None,
    moving_label: Annotated[
        Path | None, typer.Option(help="Labels of the MR, to score the result; the method never sees them.")
    ] = None,
    fixed_label: Annotated[Path | None, typer.Option(help="Labels of the TRUS volume, likewise.")] = None,
    seed: Seed = 0,
    device: DeviceOption = "auto",
    threads: Threads = None,
    events: Events = False,
) -> None:
    """Bring an MR onto a TRUS volume: warped.nrrd, displacement.nrrd, transform.h5, metrics.json, report.html."""
    with front_end(events, out / "report.html") as progress:
        from ..commands.register import run

        run(
            out=out,
            moving=moving,
            fixed=fixed,
            initial=initial,
            translation=translation,
            registration=registration,
            preset=preset,
            fixed_roi=numbers("--fixed-roi", fixed_roi, 6, float),
            moving_roi=numbers("--moving-roi", moving_roi, 6, float),
            find_glands=find_glands,
            double_slices=double_slices,
            weights=weights,
            refine=not no_refine,
            incompressible=incompressible,
            moving_mask=moving_mask,
            fixed_mask=fixed_mask,
            moving_points=moving_points,
            fixed_points=fixed_points,
            moving_label=moving_label,
            fixed_label=fixed_label,
            seed=seed,
            device=device,
            threads=threads,
            progress=progress,
        )


@app.command()
def warp(
    out: Out,
    transform: Annotated[Path, typer.Option(help="transform.h5 of a registration.")],
    moving: Annotated[Path | None, typer.Option(help="The MR image, or a label map with --label.")] = None,
    reference: Annotated[Path | None, typer.Option(help="An image on the grid of the result.")] = None,
    label: Annotated[bool, typer.Option("--label", help="The moving image is a label map.")] = False,
    points: Annotated[
        Path | None, typer.Option(help="CSV of points in the MR (name,x,y,z in LPS mm) to carry to the TRUS volume.")
    ] = None,
    seed: Unused = None,
    device: Unused = None,
    threads: Threads = None,
    events: Events = False,
) -> None:
    """Apply a transform: warped.nrrd, warped_label.nrrd or points.csv."""
    with front_end(events, out) as progress:
        from ..commands.warp import run

        run(
            out=out,
            transform=transform,
            moving=moving,
            reference=reference,
            label=label,
            points=points,
            threads=threads,
            progress=progress,
        )
