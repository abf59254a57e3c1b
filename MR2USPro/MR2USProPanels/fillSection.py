"""The section in which the transverse frames become a TRUS volume."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import slicer
from slicer.i18n import tr as _

from . import sliceLayers
from .case import Case
from .choiceBox import ChoiceBox
from .environment import device
from .jobRow import JobRow
from .jobRunner import Callbacks
from .reconstructed import (
    figures,
    filledVolume,
    frameCount,
    isFillingOutdated,
    isPresent,
    isStitchingOutdated,
    keepFilling,
    stitching,
)
from .section import Section
from .sliceViews import arrange, overlay, showInAll


class FillSection(Section):
    """Makes the volume, says how well its gaps were filled, and shows where the frames lie."""

    title = _("Fill")

    def __init__(self, logic: Any) -> None:
        super().__init__("Fill", logic)
        self._method = ChoiceBox(
            self.ui.methodBox,
            {
                "kriging": _("Kriging"),
                "linear": _("Linear interpolation"),
                "dip": _("Deep image prior"),
                "none": _("Nothing, leave them black"),
            },
            self._onMethod,
        )
        self.row: JobRow = JobRow(self.ui.jobArea.layout(), logic.runner)
        self.row.onRun = self._onRun
        self.ui.showTrusButton.connect("clicked(bool)", self._onShowTrus)
        self.ui.showSparseButton.connect("clicked(bool)", self._onShowSparse)
        self.ui.outlinesBox.connect("toggled(bool)", self._onOutlines)
        self.ui.measuredBox.connect("toggled(bool)", self._onMeasured)
        self.ui.drawBoxButton.connect("clicked(bool)", self._onDrawBox)

    def done(self) -> bool:
        """Whether there is a volume of the present stitching."""
        return self.case is not None and filledVolume(self.case) is not None and not isFillingOutdated(self.case)

    def need(self) -> str:
        """What is missing before the volume can be made."""
        case = self.case
        if case is None or not frameCount(case):
            return _("Read the exam first")
        if not stitching(case):
            return _("Stitch first")
        return _("Stitch again first") if isStitchingOutdated(case) else ""

    def refresh(self) -> None:
        """Show what was chosen and what came of it."""
        case = self.case
        assert case is not None
        self._method.show(case.fillMethod)
        trus, need = filledVolume(case), self.need()
        text = _("Make the TRUS volume again") if trus is not None else _("Make the TRUS volume")
        self.row.offer(need or text, not need, self._toolTip(need))
        self.ui.resultLabel.text = self._result() if trus is not None else ""
        self.ui.resultLabel.toolTip = _howTested(figures(case.fillResults).get("filling"))
        self.ui.resultLabel.visible = trus is not None
        self.ui.hintLabel.visible = trus is None
        self.ui.showTrusButton.visible = trus is not None
        self.ui.showSparseButton.visible = trus is not None and case.sparse is not None
        self.ui.measuredBox.visible = trus is not None and case.measured is not None
        self.ui.drawBoxButton.visible = trus is not None and case.volumeBox is None
        self.ui.outlinesBox.visible = case.outlines is not None
        if case.outlines is not None:
            wasBlocked = self.ui.outlinesBox.blockSignals(True)
            self.ui.outlinesBox.checked = bool(case.outlines.GetDisplayVisibility())
            self.ui.outlinesBox.blockSignals(wasBlocked)

    def _result(self) -> str:
        case = self.case
        assert case is not None
        found, lines = figures(case.fillResults), []
        if isFillingOutdated(case):
            if stitching(case):
                lines.append(_("This volume is older than the stitching: make it again."))
            elif case.stitchResults:
                lines.append(_("What this volume was made of was deleted."))
            else:
                lines.append(_("The exam was read again since this volume was made."))
        if found:
            size = " x ".join(str(n) for n in found["volume_voxels_ijk"])
            lines.append(
                _("{size} voxels of {mm:.2g} mm; frames reached {share:.0f} % of what the fan covers.").format(
                    size=size, mm=found["volume_spacing_mm"][0], share=100 * found["measured_share_of_fan"]
                )
            )
            if "filling" in found:
                lines.append(_tested(found["filling"]))
        return "\n".join(lines)

    def _toolTip(self, need: str) -> str:
        if need == _("Stitch again first"):
            return _("Frames were excluded, pinned or taken back since they were stitched.")
        if need:
            return _("The stitching tells where in the volume each transverse frame belongs.")
        return _("Put each transverse frame where its sagittal partner was found, and fill what lies between.")

    def _onRun(self) -> None:
        case = self.case
        assert case is not None
        self.logic.fill(
            case.transverseFrames,
            case.positions,
            sagittalFrames=case.sagittalFrames,
            method=case.fillMethod,
            voxelMm=case.voxelMm,
            extentMm=_extent(case.volumeBox),
            planeOffsetMm=case.planeOffsetMm,
            seed=case.seed,
            device=device(),
            into=(filledVolume(case), case.sparse, case.measured, case.outlines),
            callbacks=Callbacks(
                onDone=partial(self._onFilled, case, stitching(case)["identity"]), onFailed=self.changed
            ),
        )

    def _onFilled(self, case: Case, identity: str, filled: Any) -> None:
        if not isPresent(case):
            return
        keepFilling(case, filled, identity)
        if self.shows(case) and self.widget.visible:
            self._show(filled.trus)

    def _show(self, volume: Any) -> None:
        case = self.case
        if case is None or volume is None:
            return
        if case.frameOutline is not None:
            case.frameOutline.SetDisplayVisibility(False)
        arrange("FourUpView")
        showInAll(volume)
        self._onMeasured(self.ui.measuredBox.checked)
        manager = slicer.app.layoutManager()
        if manager is not None:
            manager.resetThreeDViews()

    def _onMethod(self, key: str) -> None:
        if self.case is not None:
            self.case.fillMethod = key

    def _onShowTrus(self, checked: bool = False) -> None:
        assert self.case is not None
        self._show(filledVolume(self.case))
        sliceLayers.fit(filledVolume(self.case))  # also where it is shown already, but lies aside

    def _onShowSparse(self, checked: bool = False) -> None:
        assert self.case is not None
        self._show(self.case.sparse)

    def _onMeasured(self, marked: bool) -> None:
        if self.case is not None:
            overlay(self.case.measured if marked else None)

    def _onDrawBox(self, checked: bool = False) -> None:
        from MR2USProLib.mrml import box_node, box_of

        case = self.case
        assert case is not None
        case.volumeBox = box_node(*box_of(filledVolume(case)), _("Extent of the TRUS"))
        case.volumeBox.CreateDefaultDisplayNodes()
        display = case.volumeBox.GetDisplayNode()
        display.SetHandlesInteractive(True)
        display.SetFillVisibility(False)
        self._show(filledVolume(case))

    def _onOutlines(self, shown: bool) -> None:
        if self.case is not None and self.case.outlines is not None:
            self.case.outlines.SetDisplayVisibility(shown)


def _tested(check: Mapping[str, Any]) -> str:
    """How well hidden planes were brought back, beside linear interpolation."""
    own, linear = (round(_offBy(check[field]), 1) for field in ("psnr_db", "psnr_linear_db"))
    if check["method"] == "linear":
        text = _("Tested on hidden planes, the filling is off by {own} of 255 gray levels.")
    elif own < linear:
        text = _(
            "Tested on hidden planes, the filling is off by {own} of 255 gray levels; linear interpolation is worse "
            "({linear})."
        )
    elif own > linear:
        text = _(
            "Tested on hidden planes, the filling is off by {own} of 255 gray levels; linear interpolation is better "
            "({linear})."
        )
    else:
        text = _("Tested on hidden planes, the filling is off by {own} of 255 gray levels, as linear interpolation is.")
    return text.format(own=own, linear=linear)


def _howTested(check: Mapping[str, Any] | None) -> str:
    """What that test can and cannot say."""
    if check is None:
        return ""
    return _(
        "The root mean square error inside the fan, on {n} measured planes that were hidden and filled. Those gaps "
        "span {scored:.1f} planes on average, the real ones {filled:.1f}: what is better on one kind need not be on "
        "the other."
    ).format(n=len(check["hidden"]), scored=check["gap_scored"], filled=check["gap_filled"])


def _offBy(psnrDb: float) -> float:
    """The root mean square error, of 255 gray levels."""
    return float(255 * 10 ** (-psnrDb / 20))


def _extent(box: Any) -> tuple[float, ...] | None:
    """x0, y0, z0, x1, y1, z1 of a box, LPS mm; None where there is none."""
    if box is None:
        return None
    from MR2USProLib.mrml import box_of

    low, high = box_of(box)
    return (*low.tolist(), *high.tolist())
