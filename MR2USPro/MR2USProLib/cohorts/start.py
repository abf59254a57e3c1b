"""Where every method starts on a case of a cohort, so that what differs afterwards is the method's.

Labels serve for this and for scoring, never for a method: where a case has them, the two glands' boxes are drawn as a
hurried hand draws them, their middles are laid on each other, and the box in the TRUS is what is registered. Without
labels the pose in the headers, or whatever ``initial`` names, is the start.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from .. import pipeline
from ..errors import InputError
from ..progress import SILENT, Progress
from ..registration import SELF_SIMILARITY
from ..volume import Volume
from .cohort import Case

if TYPE_CHECKING:
    import SimpleITK as sitk

    from ..evaluation.labels import Labels
    from ..registration.boxes import Box
    from ..registration.finder import Found
    from ..registration.finder_training import BoxedPair
    from ..registration.quality import Glands
    from ..weights import Part


@dataclass(frozen=True)
class Started:
    """A case, read and brought to its start.

    Attributes:
        case: which.
        mr, us: the images as they are.
        mr_labels, us_labels: what was drawn in them; None where the case has no labels.
        boxes: drawn around the gland in the MR and in the TRUS; None without labels.
        truth: TRUS to MR points, LPS mm; None where it is not known.
        pair: both images on the networks' grid, the MR carried there by the start.
    """

    case: Case
    mr: Volume
    us: Volume
    mr_labels: Labels | None
    us_labels: Labels | None
    boxes: tuple[Box, Box] | None
    truth: sitk.Transform | None
    pair: pipeline.Pair

    def deformed(self, displacement: Volume) -> sitk.Transform:
        """TRUS to MR points, LPS mm, under a displacement (k, j, i, 3) beyond the start, LPS mm, on the pair's grid."""
        from ..registration.transforms import composite

        return composite(self.pair.initial, Volume(displacement.array, self.pair.us.grid), self.us.grid)


def started(
    case: Case, *, preset: pipeline.Preset, initial: str = "none", seed: int = 0, pair: pipeline.Pair | None = None
) -> Started:
    """Read a case and bring it to its start.

    Args:
        case: which.
        preset: size of the networks' grid.
        initial: the start of a case without labels; see :func:`..registration.initial.initial_transform`.
        seed: of how the boxes are drawn; the case's name decides with it.
        pair: what an earlier call made of the images, which takes ten times as long as reading them.

    Raises:
        InputError: a file of the case cannot be read, its labels do not match, or its images do not overlap.
    """
    from ..evaluation.labels import read_labels, shared
    from ..registration.boxes import centred, drawn_boxes
    from ..registration.transforms import read_transform

    try:
        mr, us = pipeline.read_pair(case.mr, case.us)
        truth = read_transform(case.truth) if case.truth else None
        if case.mr_label is None or case.us_label is None:
            pair = pair or pipeline.pair_up(mr, us, initial=initial, preset=preset)
            return Started(case, mr, us, None, None, None, truth, pair)
        moving, fixed = shared(read_labels(case.mr_label), read_labels(case.us_label))
        boxes = drawn_boxes(moving.gland, fixed.gland, case.name, seed)
        pair = pair or pipeline.pair_up(mr, us, initial=centred(*boxes), region_mm=boxes[1].region_mm, preset=preset)
    except InputError as error:
        raise InputError(f"The case '{case.name}' cannot be used: {error}") from error
    return Started(case, mr, us, moving, fixed, boxes, truth, pair)


def learn_start(
    pairs: Sequence[BoxedPair],
    tested: Sequence[BoxedPair] = (),
    *,
    iterations: int | None = None,
    seed: int = 0,
    progress: Progress = SILENT,
) -> Part | None:
    """What the boxes of a cohort teach of where glands lie; None where the program's own finder serves better.

    It does where it has seen none of the pairs and knows more than they could teach; see
    :func:`..registration.finder_training.serves`.

    Args:
        pairs: to learn from.
        tested: those on which it will be tested.
        iterations: of each network; as many as suit the cohort if not given.
        seed: of all that is drawn at random.
        progress: told about every step.

    Raises:
        InputError: too few pairs.
        Cancelled: the user asked to stop.
    """
    from ..registration.finder_training import from_part, learn_finder, own_finder, serves, to_part

    if serves(from_part(own_finder()), pairs, tested):
        progress.report(1.0)
        return None
    return to_part(learn_finder(pairs, iterations=iterations, seed=seed, progress=progress))


def found_start(case: Started, part: Part | None, *, keep_well_laid: bool = True) -> Found:
    """A better start, and both glands as they are seen; the case's own where it has no boxes or shows nothing known.

    The program's own finder is not tested on what it learned from: there the case's own start stays, too.

    Args:
        case: at its start.
        part: what a cohort taught; the program's own finder where there is none.
        keep_well_laid: see :func:`..pipeline.find_start`.

    Raises:
        InputError: the part holds no finder.
    """
    from ..registration.finder import Found
    from ..weights import Weights

    if case.boxes is None or (part is None and _taught_the_own(case)):
        return Found(case.pair.initial, case.pair.initial, 0.0, recognised=False)
    mr_box, us_box = case.boxes
    return pipeline.find_start(
        case.mr,
        case.us,
        initial=case.pair.initial,
        region_mm=us_box.region_mm,
        mr_region_mm=mr_box.region_mm,
        keep_well_laid=keep_well_laid,
        weights=None if part is None else Weights({"finder": part}),
    )


def _taught_the_own(case: Started) -> bool:
    from ..registration.finder_training import fingerprint_of, own_finder

    return fingerprint_of(case.mr) in own_finder().settings["seen"]


def registered(case: Started, found: Found, preset: pipeline.Preset, device: str, progress: Progress) -> sitk.Transform:
    """Where the program's own registration brings the MR from a start that was found, fixed to moving points, LPS mm.

    Raises:
        Cancelled: the user asked to stop.
    """
    pair = case.pair
    if case.boxes is not None and not found.kept:
        box = case.boxes[1].region_mm
        pair = pipeline.pair_up(case.mr, case.us, initial=found.transform, region_mm=box, preset=preset)
    return pipeline.register(
        case.mr,
        case.us,
        pair,
        translation="none",
        registration=SELF_SIMILARITY,
        glands=found.glands,
        device=device,
        progress=progress,
    ).transform


def met_surfaces(case: Started, part: Part | None) -> tuple[sitk.Transform, Glands | None]:
    """Where masks of both glands alone bring the MR, fixed to moving points, LPS mm; the masks are the labels' glands.

    With it come both glands as the finder sees them, which knows no mask.

    Args:
        case: at its start, which stays where the case has no labels.
        part: what a cohort taught, as :func:`found_start` takes it; it says how the glands are turned.

    Raises:
        InputError: the part holds no finder.
    """
    from ..registration.guidance import Guidance

    if case.mr_labels is None or case.us_labels is None:
        return case.pair.initial, None
    guidance = Guidance(case.mr_labels.gland, case.us_labels.gland)
    found = found_start(case, part, keep_well_laid=False)
    pair = replace(case.pair, initial=guidance.start(found.transform))
    met = pipeline.register(case.mr, case.us, pair, registration="surfaces", guidance=guidance)
    return met.transform, found.glands
