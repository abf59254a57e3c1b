"""The commands about many pairs: what they teach, and which method does best on them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from .console import front_end
from .options import (
    Cohort,
    DeviceOption,
    Events,
    InitialWithoutLabels,
    Iterations,
    Out,
    PresetOption,
    Published,
    Seed,
    Threads,
)

app = typer.Typer()


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
    with front_end(events, out / "report.html") as progress:
        from ..commands.train import run

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
    with front_end(events, out / "report.html") as progress:
        from ..commands.evaluate import run

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
