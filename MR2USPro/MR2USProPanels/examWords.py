"""What the section Exam says about an exam that was looked into."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from slicer.i18n import tr as _

from .case import Case
from .reconstructed import frameCount
from .words import forPanel


def untyped(found: Mapping[str, Any]) -> str:
    """The pixel size where the user typed none."""
    sizes = list(dict.fromkeys(f"{size[0]:.4g}" for size in _sizes(found).values()))
    return _("{mm} mm per pixel, from the file").format(mm=_(" and ").join(sizes)) if sizes else _("not known")


def spacing(found: Mapping[str, Any], typedMm: float) -> str:
    """Where the pixel size comes from, and how to find it out; nothing before anybody has looked."""
    if not found:
        return ""
    if typedMm:
        return _("You gave the pixel size; what the file may say does not count.")
    source = found["spacing_source"]
    sizes = _sizes(found)
    if not sizes:
        how = _("Type it, or measure something of known length in the picture, such as the depth scale.")
        return f"{source} {how}"
    texts = [_("{row:.4g} x {column:.4g} mm").format(row=size[0], column=size[1]) for size in sizes.values()]
    if len(set(texts)) > 1:
        texts = [f"{text} ({view})" for text, view in zip(texts, sizes, strict=True)]
    what = _("That is {sizes}. If it is wrong, type another.").format(sizes=_(" and ").join(dict.fromkeys(texts)))
    return f"{source} {what}"


def _sizes(found: Mapping[str, Any]) -> dict[str, Sequence[float]]:
    """Row and column spacing in mm by view, as far as the files say them."""
    seen = {_("sagittal"): found["spacing_mm"], _("transverse"): found["transverse_spacing_mm"]}
    return {view: size for view, size in seen.items() if size}


def views(note: str, regions: Sequence[Sequence[int]]) -> str:
    """Where the boxes of the sagittal and the transverse view lie, in pixels."""
    lines = [note] if note else []
    for name, region in zip((_("Sagittal view (blue)"), _("Transverse view (orange)")), regions, strict=True):
        x, y, width, height = region
        where = _("{width} x {height} pixels from column {x}, row {y}").format(width=width, height=height, x=x, y=y)
        lines.append(f"{name}: {where if width else _('not on the picture')}")
    lines.append(_("Drag the boxes in the Red view where they do not fit."))
    return "\n".join(lines)


def frames(case: Case) -> str:
    """What was read into the scene."""
    sizes = []
    for node in (case.sagittalFrames, case.transverseFrames):
        (width, height, _n), (column, row, _k) = node.GetImageData().GetDimensions(), node.GetSpacing()
        sizes.append(_("{w} x {h} pixels of {mm:.4g} mm").format(w=width, h=height, mm=(row * column) ** 0.5))
    read = _("{n} frames are in the scene: sagittal {sagittal}, transverse {transverse}.").format(
        n=frameCount(case), sagittal=sizes[0], transverse=sizes[1]
    )
    return f"{read} {forPanel(case.sagittalFrames.GetDescription() or '')}".strip()


def toolTip(need: str) -> str:
    """Of the button that reads the exam."""
    if need:
        return _("{need}. Then the exam can be read.").format(need=need)
    return _("Put both views as stacks of frames into the scene, with which they are saved.")
