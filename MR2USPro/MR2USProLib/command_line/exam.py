"""The commands about one exam: simulated, reconstructed, or both and more at once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from ..errors import InputError
from .console import front_end
from .options import DeviceOption, Events, Out, Seed, Threads, Unused, frame_numbers, numbers, pins, voxel_edges

app = typer.Typer()


@app.command()
def demo(
    out: Out = Path("demo"),
    frames: Annotated[int, typer.Option(help="Frames of the simulated sweep.", min=24)] = 100,
    level: Annotated[Literal["easy", "medium", "hard"], typer.Option(help="How hard the exam is.")] = "medium",
    seed: Seed = 0,
    device: DeviceOption = "auto",
    threads: Threads = None,
    events: Events = False,
) -> None:
    """Simulate an exam, reconstruct and register it, score it against its truth, and show it in report.html."""
    with front_end(events, out / "report.html") as progress:
        from ..commands.demo import run

        run(out=out, frames=frames, level=level, seed=seed, device=device, threads=threads, progress=progress)


@app.command()
def simulate(
    out: Out,
    frames: Annotated[int, typer.Option(help="Frames of the sweep.", min=2)] = 180,
    level: Annotated[Literal["easy", "medium", "hard"], typer.Option(help="How hard the exam is.")] = "medium",
    mr: Annotated[Path | None, typer.Option(help="A T2 MR whose tissue is imaged instead of a random anatomy.")] = None,
    cases: Annotated[
        int | None,
        typer.Option(help="Make a cohort of so many pairs instead: cohort.csv for train and evaluate.", min=1),
    ] = None,
    seed: Seed = 0,
    device: Unused = None,
    threads: Threads = None,
    events: Events = False,
) -> None:
    """Make an exam whose truth is known: sagittal.mha, transverse.mha, mr.nrrd, labels, landmarks, truth.json."""
    with front_end(events, out) as progress:
        if cases is not None:
            from ..commands import simulate_cohort

            if mr is not None:
                raise InputError("A cohort has a patient for every case: leave out --mr or --cases.")
            simulate_cohort.run(
                out=out, cases=cases, frames=frames, level=level, seed=seed, threads=threads, progress=progress
            )
            return
        from ..commands.simulate import run

        run(out=out, frames=frames, level=level, mr=mr, seed=seed, threads=threads, progress=progress)


@app.command()
def reconstruct(
    out: Out,
    video: Annotated[Path | None, typer.Option(help="Both views in one file, or a folder of pictures.")] = None,
    sagittal_roi: Annotated[
        str | None, typer.Option(metavar="x,y,w,h", help="The sagittal view in the video, pixels; found if not given.")
    ] = None,
    transverse_roi: Annotated[
        str | None, typer.Option(metavar="x,y,w,h", help="The transverse view, likewise.")
    ] = None,
    sagittal: Annotated[Path | None, typer.Option(help="Sagittal frames, where each view has its own.")] = None,
    transverse: Annotated[Path | None, typer.Option(help="Transverse frames, likewise.")] = None,
    spacing: Annotated[
        float | None, typer.Option(help="Millimetres per pixel, where the file does not say or says it wrong.", min=0)
    ] = None,
    flip_sagittal: Annotated[
        bool, typer.Option("--flip-sagittal", help="The sagittal view shows the head on the right.")
    ] = False,
    flip_transverse: Annotated[
        bool, typer.Option("--flip-transverse", help="The transverse view shows the patient's left on the left.")
    ] = False,
    matcher: Annotated[
        Literal["auto", "layers", "sift", "orb", "loftr"],
        typer.Option(help="How to stitch: grey levels, or matches; auto keeps the grey levels where they do well."),
    ] = "auto",
    loftr_weights: Annotated[
        Path | None, typer.Option(help="Checkpoint or safetensors of the LoFTR network, for --matcher loftr.")
    ] = None,
    exclude: Annotated[
        str | None, typer.Option(metavar="FRAME,FRAME", help="Frames that are not used, counted from 0.")
    ] = None,
    pin: Annotated[
        list[str] | None,
        typer.Option(metavar="FRAME:MM", help="A frame whose position is known, and the position; may be repeated."),
    ] = None,
    fill: Annotated[
        Literal["kriging", "dip", "linear", "none"], typer.Option(help="What fills the gaps between the frames.")
    ] = "kriging",
    voxel: Annotated[
        str | None, typer.Option(metavar="MM|x,y,z", help="Edge of the voxels in mm, one for all or one each; 0.5.")
    ] = None,
    extent: Annotated[
        str | None,
        typer.Option(metavar="x0,y0,z0,x1,y1,z1", help="Outer edges of the volume, LPS mm; what the frames cover."),
    ] = None,
    plane_offset: Annotated[
        float,
        typer.Option(metavar="MM", help="Where on the sagittal view, from its first column, the transverse plane is."),
    ] = 0.0,
    seed: Seed = 0,
    device: DeviceOption = "auto",
    threads: Threads = None,
    events: Events = False,
) -> None:
    """Turn a biplane video into a TRUS volume: positions.csv, sagittal_map, trus, trus_sparse and trus_measured."""
    with front_end(events, out / "report.html") as progress:
        from ..commands.reconstruct import run

        run(
            out=out,
            video=video,
            sagittal_roi=numbers("--sagittal-roi", sagittal_roi, 4, int),
            transverse_roi=numbers("--transverse-roi", transverse_roi, 4, int),
            sagittal=sagittal,
            transverse=transverse,
            spacing_mm=spacing,
            flip_sagittal=flip_sagittal,
            flip_transverse=flip_transverse,
            matcher=matcher,
            loftr_weights=loftr_weights,
            excluded=frame_numbers("--exclude", exclude),
            pinned=pins("--pin", pin or []),
            fill=fill,
            voxel_mm=voxel_edges(voxel),
            extent_mm=numbers("--extent", extent, 6, float),
            plane_offset_mm=plane_offset,
            seed=seed,
            device=device,
            threads=threads,
            progress=progress,
        )
