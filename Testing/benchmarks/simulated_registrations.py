"""How near registrations of this program and of others come to the truth of simulated exams.

    python3 MR2USPro simulate --cases 20 --seed 100 --out FOLDER
    python Testing/benchmarks/simulated_registrations.py FOLDER/cohort.csv --out RESULTS [--preset fast]
                                                         [--methods elastix ants none+simpleitk acmt+anatomy-aware]

elastix (its own parameter maps: rigid, then a B-spline by mutual information and bending energy) and ANTs (what its
script antsRegistrationSyNQuick does: rigid, affine, SyN by mutual information) run where the packages itk-elastix and
antspyx are installed. Any other method is named as `evaluate --methods` names it, and fitted to each pair. All begin at
hurriedly drawn boxes laid centre on centre, see the same pictures on the grid of the preset, and are scored as
`evaluate` scores. The folder gets `cases.csv` and `table.md`; what is in it already is not done again.

One thread is used if OMP_NUM_THREADS=1 and ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS=1 are set.
"""

import argparse
import importlib.util
import time
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from MR2USProLib.cohorts.cohort import read_cohort
from MR2USProLib.cohorts.methods import START, Combination
from MR2USProLib.cohorts.scoring import figures
from MR2USProLib.cohorts.start import Started, started
from MR2USProLib.cohorts.study_files import StudyFiles
from MR2USProLib.cohorts.training import deformed, translated
from MR2USProLib.commands.cohort_tables import table_two, write_rows
from MR2USProLib.evaluation.comparison import Row
from MR2USProLib.pipeline import Pair
from MR2USProLib.registration.transforms import composite, displacement_on
from MR2USProLib.report.tables import markdown
from MR2USProLib.volume import Volume

SEED = 1


def by_elastix(pair: Pair) -> Volume:
    """The displacement that elastix finds."""
    import itk

    def image(array: np.ndarray) -> Any:
        found, grid = itk.image_from_array(np.ascontiguousarray(array)), pair.us.grid
        found.SetSpacing(grid.spacing_mm)
        found.SetOrigin(grid.origin_mm)
        found.SetDirection(itk.matrix_from_array(np.asarray(grid.direction, float)))
        return found

    parameters = itk.ParameterObject.New()
    for kind in ("rigid", "bspline"):
        parameters.AddParameterMap(parameters.GetDefaultParameterMap(kind))
    parameters.SetParameter("RandomSeed", str(SEED))
    # The start is given: elastix would else lay the middles of the pictures on each other, which they are already.
    parameters.SetParameter("AutomaticTransformInitialization", "false")
    _, transform = itk.elastix_registration_method(
        image(pair.us.array),
        image(pair.mr.array),
        parameter_object=parameters,
        fixed_mask=image(pair.valid.astype(np.uint8)),
        log_to_console=False,
    )
    field = itk.transformix_deformation_field(image(pair.mr.array), transform)
    return Volume(itk.array_from_image(field).astype(np.float32), pair.us.grid)


def by_ants(pair: Pair) -> Volume:
    """The displacement that ANTs finds."""
    import ants

    def image(array: np.ndarray) -> Any:
        grid = pair.us.grid
        values = np.ascontiguousarray(array.T.astype(np.float32))  # its arrays are (i, j, k)
        return ants.from_numpy(values, grid.origin_mm, grid.spacing_mm, np.asarray(grid.direction, float))

    found = ants.registration(
        image(pair.us.array),
        image(pair.mr.array),
        type_of_transform="antsRegistrationSyNQuick[s]",
        mask=image(pair.valid),
        random_seed=SEED,
    )
    way = sitk.CompositeTransform(3)
    for path in reversed(found["fwdtransforms"]):  # there, as here, the one that is applied first stands last
        way.AddTransform(_read(path))
    for path in {*found["fwdtransforms"], *found["invtransforms"]}:
        Path(path).unlink()
    return displacement_on(pair.us.grid, way)


def _read(path: str) -> sitk.Transform:
    """A transform as ANTs writes it: a field as an image, anything else as ITK does."""
    if not path.endswith(".nii.gz"):
        return sitk.ReadTransform(path)
    return sitk.DisplacementFieldTransform(sitk.ReadImage(path, sitk.sitkVectorFloat64))


TOOLS: dict[str, tuple[str, Callable[[Pair], Volume]]] = {"elastix": ("itk", by_elastix), "ants": ("ants", by_ants)}
"""By name: the package that it needs, and what calls it."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cohort", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--methods", nargs="+", default=["elastix", "ants", "none+simpleitk", "acmt+anatomy-aware"])
    parser.add_argument("--preset", default="fast")
    parser.add_argument("--every", type=int, default=1, help="take every so-many-th case")
    options = parser.parse_args()

    asked = {name: name if name in TOOLS else str(Combination.named(name)) for name in options.methods}
    for name in [name for name in asked if name in TOOLS and importlib.util.find_spec(TOOLS[name][0]) is None]:
        print(f"{name} is left out, since it is not installed.")
        del asked[name]
    files, cases = StudyFiles(options.out), read_cohort(options.cohort)[:: options.every]
    print("case      method                 error in the gland  TRE mm  DSC    HE      folding  seconds")
    for case in cases:
        at_start = cache(partial(started, case, preset=options.preset))
        for method in (START, *asked.values()):
            if not files.figures(case, method).is_file():
                files.keep_figures(case, method, measured(at_start(), method))
            found = files.measured(case, method)
            print(
                f"{case.name:<10}{method:<24}{found['displacement_error_mm']:17.2f}{found['tre_mm']:8.2f}"
                f"{found['dsc']:7.3f}{found['he']:9.1f}{found['folding']:8.4f}{found['seconds']:9.1f}",
                flush=True,
            )
    rows = {
        method: [Row(case.name, case.patient, None, method, files.measured(case, method)) for case in cases]
        for method in (START, *asked.values())
    }
    (options.out / "table.md").write_text(markdown(table_two(rows)), "utf-8")
    write_rows(options.out / "cases.csv", [row for of in rows.values() for row in of])


def measured(start: Started, method: str) -> dict[str, float | None]:
    """The figures of a method on a case, with its seconds."""
    if method == START:
        return {**figures(start, start.pair.initial), "seconds": 0.0}
    begun = time.perf_counter()
    if method in TOOLS:
        displacement = TOOLS[method][1](start.pair)
    else:
        named = Combination.named(method)
        seen = translated(named.translation, start.pair, None)
        displacement = deformed(named.registration, start.pair, seen, None)
    seconds = time.perf_counter() - begun
    return {**figures(start, composite(start.pair.initial, displacement, start.us.grid)), "seconds": seconds}


if __name__ == "__main__":
    main()
