"""The words of the command line: options that several commands share, and how their texts are read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from ..errors import InputError

Out = Annotated[Path, typer.Option(help="Folder for the results; made if it is not there.")]
MOST = 2**32 - 1
"""The largest seed: PyTorch takes no more than twice as many bits, and some calls count on from the seed."""
DeviceOption = Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="Where the networks run.")]
Seed = Annotated[int, typer.Option(help="The same seed gives the same result on one machine.", min=0, max=MOST)]
Threads = Annotated[int | None, typer.Option(help="CPU threads at most; all cores if not given.", min=1)]
Unused = Annotated[str | None, typer.Option(hidden=True)]
"""What every command takes, so that one set of options serves a script for all of them, but this one has no use for."""
Events = Annotated[bool, typer.Option("--events", help="Progress as JSON lines on stdout, for programs.")]
PresetOption = Annotated[
    Literal["fast", "balanced", "paper"],
    typer.Option(help="Size of the networks' grid: 64x64x32, 96x96x48 or the paper's 128x128x64."),
]
Initial = Annotated[
    str,
    typer.Option(
        metavar="none|centers|moments|landmarks:F.csv|F.tfm",
        help="Pose before anything deforms; none: the one in the headers.",
    ),
]
FixedRoi = Annotated[
    str | None,
    typer.Option(metavar="x0,y0,z0,x1,y1,z1", help="Box in the TRUS volume, LPS mm: what is registered."),
]
MovingFile = Annotated[Path, typer.Option("--moving", help="The MR volume.")]
Cohort = Annotated[
    Path,
    typer.Option(
        help="CSV with the columns case,mr,us and, where known, mr_label,us_label,patient,truth; paths from its folder."
    ),
]
Iterations = Annotated[
    int | None, typer.Option(help="Of every training or fit; as many as suit it if not given.", min=1)
]
Published = Annotated[
    bool,
    typer.Option(
        "--published", help="Train translations as large and as long as UNSB's paper says, for a graphics card."
    ),
]
InitialWithoutLabels = Annotated[
    str, typer.Option(metavar="none|centers|moments", help="The start of cases without labels.")
]


def numbers(option: str, text: str | None, count: int, kind: type) -> tuple | None:
    """The comma-separated numbers of an option."""
    if text is None:
        return None
    try:
        numbers = tuple(kind(part) for part in text.split(","))
    except ValueError:
        numbers = ()
    if len(numbers) != count:
        raise InputError(f"{option} is '{text}': give {count} {'whole ' if kind is int else ''}numbers with commas.")
    return numbers


def voxel_edges(text: str | None) -> tuple | None:
    """The edges of a voxel, one or three."""
    edges = numbers("--voxel", text, 3 if text and "," in text else 1, float)
    if edges and not all(0.05 <= edge < float("inf") for edge in edges):
        raise InputError(f"--voxel is '{text}': give edges of at least 0.05 mm.")
    return edges


def frame_numbers(option: str, text: str | None) -> tuple[int, ...]:
    """The comma-separated frames of an option."""
    try:
        return tuple(int(part) for part in text.split(",")) if text is not None else ()
    except ValueError as error:
        raise InputError(f"{option} is '{text}': give numbers of frames with commas, as in 3,17.") from error


def pins(option: str, texts: list[str]) -> dict[int, float]:
    """Frames and their positions in mm, each given as FRAME:MM."""
    pins: dict[int, float] = {}
    for text in texts:
        frame, _, position = text.partition(":")
        try:
            t, position_mm = int(frame), float(position)
        except ValueError as error:
            raise InputError(f"{option} is '{text}': give a frame and its position in mm, as in 17:12.5.") from error
        if t in pins:
            raise InputError(f"{option} gives frame {t} two positions: give it one.")
        pins[t] = position_mm
    return pins
