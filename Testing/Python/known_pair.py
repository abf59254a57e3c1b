"""A small MR and TRUS pair in a Slicer scene, with the deformation between them known."""

import numpy as np

from MR2USProLib.registration import transforms
from MR2USProLib.volume import Grid, Volume
from oblique_pair import deformation, initial, mr_around, rotation


def trus_grid():
    """48 x 48 x 40 mm, turned, with axes as a reconstructed volume has them."""
    return Grid((28, 40, 40), (1.2, 1.2, 1.4), (-20, 10, -15), rotation(0.1, -0.2, 0.3) @ np.diag([1, -1, -1]))


def truth(largest_mm=3.0):
    """From TRUS points to MR points: a pose and a smooth deformation."""
    grid = trus_grid()
    return transforms.composite(initial(), deformation(grid, largest_mm), grid)


def pair(largest_mm=3.0):
    """MR and TRUS; the TRUS shows the MR's anatomy where :func:`truth` puts it, with other brightness and speckle."""
    grid, there = trus_grid(), truth(largest_mm)
    mr = mr_around(transforms.map_points(grid.centre_mm, there))
    seen = transforms.warp(Volume(mr.array.astype(np.float32), mr.grid), grid, there).array
    speckle = np.random.default_rng(0).rayleigh(1.0, grid.shape)
    return mr, Volume(np.clip((20 + (1000 - seen) * 0.12) * (0.7 + 0.3 * speckle), 1, 255).astype(np.uint8), grid)


def gland(volume_grid, centre_mm):
    """Mask of the prostate of the MR in its own world."""
    x, y, z = np.moveaxis(volume_grid.points() - centre_mm, -1, 0)
    return (x / 22) ** 2 + (y / 16) ** 2 + (z / 18) ** 2 < 1


def leave_results(folder, mr, us, there, start):
    """What the engine's job leaves for a pair whose transform is known, written as its command does."""
    from MR2USProLib.evaluation.metrics import displacement_statistics, folding, harmonic_energy
    from MR2USProLib.report.page import render

    results = folder / "results"
    results.mkdir(parents=True)
    displacement = transforms.displacement_on(us.grid, there)
    residual = Volume(displacement.array - transforms.displacement_on(us.grid, start).array, us.grid)
    mr.write(folder / "mr.nrrd")
    transforms.warp(mr, us.grid, there).write(results / "warped.nrrd")
    displacement.write(results / "displacement.nrrd")
    transforms.write_transform(results / "transform.h5", there)
    transforms.write_transform(results / "transform_undeformed.h5", start)
    transforms.warp(mr, us.grid, start).write(results / "mr_translated.nrrd")
    us.write(results / "us_translated.nrrd")
    (results / "report.html").write_text(render("Registration", "It was moved.", [], {}), "utf-8")
    return {
        "deformation": {
            **displacement_statistics(residual),
            "folding": folding(displacement).as_dict(),
            "harmonic_energy": harmonic_energy(residual).as_dict(),
        },
        "valid_share_of_region": 0.9,
    }
