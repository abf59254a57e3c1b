"""``simulate``: an exam whose truth is known."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..devices import limit_threads
from ..outputs import spare, staged, write_json
from ..progress import SILENT, Progress
from ..provenance import Record
from ..volume import Volume

if TYPE_CHECKING:
    from ..phantom.exam import SimulatedExam
    from ..phantom.sweep import Level


def run(
    *,
    out: Path,
    frames: int = 180,
    level: Level = "medium",
    mr: Path | None = None,
    seed: int = 0,
    threads: int | None = None,
    progress: Progress = SILENT,
) -> SimulatedExam:
    """Simulate an exam and write it to ``out``.

    Raises:
        InputError: the given MR cannot be imaged, or ``out`` cannot be written.
    """
    from ..phantom.exam import simulate, write_exam

    spare(out, ("mr.nrrd",), (mr,))
    record = Record("simulate", {"frames": frames, "level": level, "seed": seed, "threads": threads}, {"mr": mr})
    limit_threads(threads)
    with staged(out) as folder:
        with record.timed("simulate"):
            tissue = Volume.read(mr) if mr else None
            exam = simulate(frames=frames, level=level, seed=seed, mr=tissue, progress=progress.named("Simulate"))
        write_exam(exam, folder)
        write_json(folder / "report.json", record.as_dict())
    return exam
