"""A few small pairs of known deformation with labels, as a cohort on disk."""

from pathlib import Path

import numpy as np

import known_pair
from MR2USProLib.registration import transforms
from MR2USProLib.volume import Volume

LANDMARKS_MM = ((8.0, 0.0, 0.0), (-8.0, 3.0, 2.0), (0.0, -5.0, 6.0))
HEADER = "case,mr,us,mr_label,us_label,patient,truth"


def write_cohort(folder: Path, cases: int, *, patients: int) -> Path:
    """Cases a0, a1... of so many patients; the CSV."""
    lines = [HEADER]
    for n in range(cases):
        there = known_pair.truth(2.0 + 0.4 * n)
        mr, us = known_pair.pair(2.0 + 0.4 * n)
        centre = transforms.map_points(us.grid.centre_mm, there)
        drawn = known_pair.gland(mr.grid, centre).astype(np.uint8)
        points = mr.grid.points() - centre
        for value, place in enumerate(LANDMARKS_MM, start=2):
            drawn[np.linalg.norm(points - np.array(place), axis=-1) < 2] = value
        label = Volume(drawn, mr.grid)
        here = folder / f"a{n}"
        here.mkdir(parents=True)
        mr.write(here / "mr.nrrd")
        us.write(here / "us.nrrd")
        label.write(here / "mr_label.nrrd")
        transforms.warp(label, us.grid, there, label=True).write(here / "us_label.nrrd")
        transforms.write_transform(here / "truth.h5", there)
        files = ",".join(f"a{n}/{name}.nrrd" for name in ("mr", "us", "mr_label", "us_label"))
        lines.append(f"a{n},{files},p{n % patients},a{n}/truth.h5")
    path = folder / "cohort.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
