"""The figures of a registration: scores where there are labels, plausibility, and whether it is to be believed."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..volume import Volume

if TYPE_CHECKING:
    import SimpleITK as sitk

    from ..evaluation.labels import Labels
    from ..pipeline import Registration
    from ..registration.finder import Found
    from ..registration.guidance import Guidance
    from ..registration.quality import Quality


def registration_figures(
    result: Registration,
    found: Found | None,
    given: sitk.Transform,
    guidance: Guidance,
    displacement: Volume,
    residual: Volume,
    moving: Labels | None,
    fixed: Labels | None,
) -> dict[str, Any]:
    """All figures of a registration by name, as ``metrics.json`` holds them.

    Args:
        result: the registration.
        found: what became of the start; None where the glands were not looked for.
        given: the start that was given, fixed to moving points, LPS mm.
        guidance: masks and landmark pairs.
        displacement: the whole displacement on the TRUS grid, LPS mm.
        residual: what of it lies beyond the start from which the MR was deformed.
        moving: what was drawn in the MR.
        fixed: what was drawn in the TRUS.
    """
    from ..evaluation.labels import left_out, score
    from ..evaluation.metrics import displacement_statistics, folding, harmonic_energy

    metrics: dict[str, Any] = {}
    if moving is not None and fixed is not None:
        metrics["before"] = score(moving, fixed, given)
        metrics["undeformed"] = score(moving, fixed, result.pair.initial)
        metrics["after"] = score(moving, fixed, result.transform)
        metrics["left_out"] = left_out(moving, fixed)
    if found is not None:
        metrics["start"] = {
            "glands_recognised": found.recognised,
            "likeness": found.likeness,
            "moved_mm": found.moved_mm,
            "kept": found.kept,
        }
    if guidance.masks or len(guidance.fixed_points_mm):
        metrics["guidance"] = _guided(guidance, result.transform)
    metrics["deformation"] = {
        **displacement_statistics(residual),
        "folding": folding(displacement).as_dict(),
        "harmonic_energy": harmonic_energy(residual).as_dict(),
    }
    if result.fitted.uncertainty_mm is not None:
        spread = result.fitted.uncertainty_mm[_gland(result, found)]
        metrics["uncertainty"] = {"mean_mm": float(spread.mean()), "p95_mm": float(np.percentile(spread, 95))}
    if result.translation is not None:
        metrics["translation"] = asdict(result.translation.health)
    if result.fitted.structure is not None:
        metrics["structure"] = asdict(result.fitted.structure)
    metrics["quality"] = quality_of(result, found, metrics["deformation"]["folding"]["fraction"]).as_dict()
    metrics["valid_share_of_region"] = float(np.mean(result.pair.valid))
    return metrics


def quality_of(result: Registration, found: Found | None, folded: float) -> Quality:
    """How far a registration is to be believed, by itself and by what the finder saw."""
    from ..registration.quality import Quality, detour_mm

    glands = found.glands if found is not None else None
    spacing = np.array(result.pair.us.grid.spacing_mm)
    spread = result.fitted.uncertainty_mm
    return Quality(
        overlap_undeformed=glands.overlap(result.pair.initial) if glands else None,
        overlap_after=glands.overlap(result.transform) if glands else None,
        detour_mm=detour_mm(result.fitted.displacement, result.fitted.inverse, result.pair.valid, spacing),
        folding=folded,
        spread_mm=float(spread[_gland(result, found)].mean()) if spread is not None else None,
        agreed=result.fitted.structure is not None and result.fitted.structure.followed,
    )


def _gland(result: Registration, found: Found | None) -> NDArray[np.bool_]:
    """Where the gland is in the TRUS, as it was seen in its box; in the middle of the region where nobody looked."""
    grid, valid = result.pair.us.grid, result.pair.valid
    if found is not None and found.glands is not None:
        inside = found.glands.us.holds(grid.points().reshape(-1, 3)).reshape(grid.shape) & valid
    else:
        middle = tuple(slice(n // 4, n - n // 4) for n in grid.shape)
        inside = np.zeros(grid.shape, bool)
        inside[middle] = valid[middle]
    return inside if inside.any() else valid


def _guided(guidance: Guidance, transform: sitk.Transform) -> dict[str, Any]:
    """What guided the registration, and how far from it the landmark pairs are in the end."""
    from ..registration.transforms import map_points

    found: dict[str, Any] = {"masks": list(guidance.masks), "points": len(guidance.fixed_points_mm)}
    if found["points"]:
        off = map_points(guidance.fixed_points_mm, transform) - guidance.moving_points_mm
        found["points_mean_mm"] = float(np.linalg.norm(off, axis=1).mean())
    return found
