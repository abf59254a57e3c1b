"""The command line: ``python3 MR2USPro COMMAND``, or ``mr2us COMMAND`` once installed.

It reads the words, shows progress and turns the way a command ended into an exit code: 0 done, 2 bad input (one line
says what is wrong and what to do), 130 cancelled, 1 a fault of ours (with its traceback).
"""

from __future__ import annotations

import signal
import sys
import traceback
from pathlib import Path
from typing import Annotated, Literal

import typer

from . import __version__
from .console import front_end
from .devices import share_cores
from .errors import Cancelled, InputError
from .options import (
    Cohort,
    DeviceOption,
    Events,
    FixedRoi,
    Initial,
    InitialWithoutLabels,
    Iterations,
    MovingFile,
    Out,
    PresetOption,
    Published,
    Seed,
    Threads,
    Unused,
    frame_numbers,
    numbers,
    pins,
    voxel_edges,
)

app = typer.Typer(
    name="mr2us",
    help="Prostate MR to transrectal ultrasound: reconstruct, translate, register. Research use only.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


LEFT = {
    "train": "what was learned up to a minute ago is kept: the same call with --resume goes on",
    "evaluate": "what is finished is kept, and of a training all but the last minute: the same call goes on",
}
"""What a command that was cancelled leaves behind, where that is anything."""


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"MR2USPro {__version__}")
        raise typer.Exit


@app.callback()
def _about(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Say it.")] = False,
) -> None:
    """Hold the options that stand before every command."""


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
    with front_end(events) as progress:
        from .commands.demo import run

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
    with front_end(events) as progress:
        if cases is not None:
            from .commands import simulate_cohort

            if mr is not None:
                raise InputError("A cohort has a patient for every case: leave out --mr or --cases.")
            simulate_cohort.run(
                out=out, cases=cases, frames=frames, level=level, seed=seed, threads=threads, progress=progress
            )
            return
        from .commands.simulate import run

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
    with front_end(events) as progress:
        from .commands.reconstruct import run

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
    with front_end(events) as progress:
        from .commands.translate import run

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
    with front_end(events) as progress:
        from .commands.register import run

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
    with front_end(events) as progress:
        from .commands.warp import run

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


@app.command()
def train(
    out: Out,
    cohort: Cohort,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the training that the folder holds.")] = False,
    translation: Annotated[
        Literal["acmt", "pmt", "unsb", "none"], typer.Option(help="Modality translation before the registration.")
    ] = "acmt",
    registration: Annotated[
        Literal["anatomy-aware", "fsdiffreg", "diffusemorph", "voxelmorph"],
        typer.Option(help="The registration network."),
    ] = "anatomy-aware",
    preset: PresetOption = "fast",
    published: Published = False,
    iterations: Iterations = None,
    initial: InitialWithoutLabels = "none",
    seed: Seed = 0,
    device: DeviceOption = "auto",
    threads: Threads = None,
    events: Events = False,
) -> None:
    """Train a translation and a registration on a cohort: weights.safetensors, losses, checkpoints."""
    with front_end(events) as progress:
        from .commands.train import run

        run(
            out=out,
            cohort=cohort,
            resume=resume,
            translation=translation,
            registration=registration,
            preset=preset,
            published=published,
            iterations=iterations,
            initial=initial,
            seed=seed,
            device=device,
            threads=threads,
            progress=progress,
        )


@app.command()
def evaluate(
    out: Out,
    cohort: Cohort,
    methods: Annotated[
        str | None,
        typer.Option(
            metavar="NAME,NAME",
            help="Such as acmt+anatomy-aware or none+simpleitk; the paper's Table II and self-similarity if not given.",
        ),
    ] = None,
    folds: Annotated[int, typer.Option(help="Parts into which the patients are split.", min=2)] = 4,
    fit_only: Annotated[bool, typer.Option("--fit-only", help="Fit everything to each pair, train nothing.")] = False,
    no_refine: Annotated[
        bool, typer.Option("--no-refine", help="Take the trained registrations as they are, unfitted to the pair.")
    ] = False,
    preset: PresetOption = "fast",
    published: Published = False,
    iterations: Iterations = None,
    initial: InitialWithoutLabels = "none",
    inception_weights: Annotated[
        Path | None, typer.Option(help="TorchScript inception-2015-12-05.pt for FID and KID; own features without it.")
    ] = None,
    seed: Seed = 0,
    device: DeviceOption = "auto",
    threads: Threads = None,
    events: Events = False,
) -> None:
    """Compare methods on a cohort, fold by fold: cases.csv, tables.md, report.html; a second call goes on."""
    with front_end(events) as progress:
        from .commands.evaluate import run

        run(
            out=out,
            cohort=cohort,
            methods=methods.split(",") if methods is not None else (),
            folds=folds,
            fit_only=fit_only,
            refine=not no_refine,
            preset=preset,
            published=published,
            iterations=iterations,
            initial=initial,
            inception_weights=inception_weights,
            seed=seed,
            device=device,
            threads=threads,
            announce=lambda text: typer.echo(f"mr2us: {text}", err=True),
            progress=progress,
        )


def run(arguments: list[str]) -> int:
    """Run one command and return its exit code."""
    share_cores()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a script's background jobs do not hear SIGINT
    try:
        ended = app(arguments, prog_name="mr2us", standalone_mode=False)
    except InputError as error:
        print(f"mr2us: {error}", file=sys.stderr)
        return 2
    except typer.TyperException as error:
        print(f"mr2us: {error.format_message().rstrip('.')}: see --help.", file=sys.stderr)
        return 2
    except (KeyboardInterrupt, Cancelled, typer.Abort):
        return _cancelled(arguments[0])
    except Exception:
        traceback.print_exc()
        print("mr2us: this is a fault of the program: please report the lines above.", file=sys.stderr)
        return 1
    # After Ctrl-C typer may hand back its exit code instead of raising.
    return _cancelled(arguments[0]) if ended == 130 else 0


def _cancelled(command: str) -> int:
    print(f"mr2us: cancelled; {LEFT.get(command, 'nothing of the unfinished stage was kept')}.", file=sys.stderr)
    return 130


def main() -> None:
    """Run the command that the process was started with."""
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
