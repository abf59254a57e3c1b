"""``translate``: MR and TRUS to one intermediate modality."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from .. import pipeline
from ..devices import prepare
from ..errors import InputError
from ..outputs import spare, staged, write_json
from ..progress import SILENT, Progress
from ..provenance import Record
from ..volume import Volume

if TYPE_CHECKING:
    from ..devices import Device
    from ..translation.translating import Translation


def run(
    *,
    out: Path,
    mr: Path,
    us: Path,
    method: pipeline.TranslationMethod = "acmt",
    weights: Path | None = None,
    initial: str = "none",
    fixed_roi: tuple[float, ...] | None = None,
    preset: pipeline.Preset = "fast",
    strict_paper: bool = False,
    sample: bool = False,
    seed: int = 0,
    device: Device = "auto",
    threads: int | None = None,
    progress: Progress = SILENT,
) -> tuple[Translation, Record]:
    """Translate a pair and write mr_translated.nrrd, us_translated.nrrd and the reports to ``out``.

    Raises:
        InputError: an image or the weights cannot be read, the two do not overlap, or ``out`` cannot be written.
    """
    from ..registration.initial import named_file
    from ..report.page import render
    from ..weights import read_weights
    from .sections import facts, translation_section

    pose, pose_file = named_file(initial)
    inputs = {"mr": mr, "us": us, "initial": pose_file, "weights": weights}
    spare(out, ("mr_translated.nrrd", "us_translated.nrrd"), inputs.values())
    with staged(out) as folder:
        place = prepare(device, threads)
        trained = read_weights(Path(weights)) if weights else None  # a job names its files by strings
        if trained is not None and trained.part("translation", method) is None:
            raise InputError(f"The weights hold no translation: give weights that 'mr2us train' wrote for {method}.")
        pair = pipeline.pair_up(*pipeline.read_pair(mr, us), initial=initial, region_mm=fixed_roi, preset=preset)
        parameters = {
            "method": method,
            "initial": pose,
            "fixed_roi": fixed_roi,
            "preset": preset,
            "strict_paper": strict_paper,
            "sample": sample,
            "seed": seed,
            "device": place,
            "threads": threads,
        }
        record = Record("translate", parameters, inputs)
        with record.timed("translate"):
            translation = pipeline.translate(
                pair,
                method=method,
                weights=trained,
                strict_paper=strict_paper,
                sample=sample,
                seed=seed,
                device=place,
                progress=progress.named("Translate"),
            )
        record.results = {
            "preparation": pair.preparation,
            "health": asdict(translation.health),
            "stopped": translation.stopped,
        }
        Volume(translation.mr, pair.us.grid).write(folder / "mr_translated.nrrd")
        Volume(translation.us, pair.us.grid).write(folder / "us_translated.nrrd")
        section = translation_section(pair, translation)
        page = render("Translation to one intermediate modality", section.text[0], [section], facts(record))
        (folder / "report.html").write_text(page, "utf-8")
        write_json(folder / "report.json", record.as_dict())
    return translation, record
