"""The engine's sentences in the words of the panels: it names options of the command line, here are buttons."""

from __future__ import annotations

import re

from slicer.i18n import tr as _

_OPTION = re.compile(r"--[a-z][a-z-]*")


def forPanel(message: str) -> str:
    """A sentence of the engine with the names of options replaced by what the panels call them."""
    names = {
        "--video": _("the video"),
        "--sagittal": _("the sagittal file"),
        "--transverse": _("the transverse file"),
        "--sagittal-roi": _("the box of the sagittal view"),
        "--transverse-roi": _("the box of the transverse view"),
        "--spacing": _("the pixel size"),
        "--matcher": _("the choice under Advanced"),
        "--loftr-weights": _("the LoFTR weights under Advanced"),
        "--exclude": _("the excluded frames"),
        "--pin": _("the pinned frames"),
        "--voxel": _("the voxel size"),
        "--extent": _("the box of the volume"),
        "--plane-offset": _("the transverse plane under Fill"),
        "--initial": _("the start under Align"),
        "--fixed-roi": _("the box in the TRUS volume"),
        "--moving-mask": _("the gland in the MR"),
        "--fixed-mask": _("the gland in the TRUS"),
        "--moving-points": _("the points in the MR"),
        "--fixed-points": _("the points in the TRUS"),
        "--moving-label": _("the segmentation of the MR"),
        "--fixed-label": _("the segmentation of the TRUS volume"),
        "--registration": _("the registration"),
        "--weights": _("the trained networks under Advanced"),
        "--incompressible": _("holding the volume of the tissue"),
        "--double-slices": _("doubling the MR's slices"),
        "--preset": _("the preset"),
        "--device": _("the device under Environment"),
    }
    return _OPTION.sub(lambda found: names.get(found.group(), found.group()), message)
