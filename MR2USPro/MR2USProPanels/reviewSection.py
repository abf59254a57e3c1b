"""The section that shows how well the MR fits the TRUS: overlay, checkerboard, curtain, flicker and deformation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from MR2USProLib.errors import InputError

from . import deformationDisplay, sliceLayers, sliceViews
from .case import Case
from .choiceBox import ChoiceBox
from .registered import areTargetsCarried, isOvertaken
from .sceneNodes import imageTime
from .section import Section

GRAY, COLOR = "vtkMRMLColorTableNodeGrey", "vtkMRMLColorTableNodeWarm1"


class ReviewSection(Section):
    """One way of looking at a time; the slices stay where they are whatever is chosen, once they show the pair."""

    title = _("Review")

    def __init__(self, logic: Any) -> None:
        super().__init__("Review", logic)
        self._review = ChoiceBox(self.ui.reviewComboBox, self._texts(), self._onReview)
        self._axis = ChoiceBox(
            self.ui.curtainAxisComboBox,
            {
                "right-left": _("Right to left"),
                "front-back": _("Front to back"),
                "feet-head": _("Feet to head"),
            },
            self._onAxis,
        )
        self._ways: dict[str, Callable[[Case, Any, Any], str]] = {
            "overlay": self._overlay,
            "checkerboard": self._checkerboard,
            "curtain": self._curtain,
            "flicker": self._flicker,
            "deformation": self._deformation,
            "translated": self._translated,
            "uncertainty": self._uncertainty,
        }
        self._rows = {
            "overlay": ("stageLabel", "opacityLabel", "opacitySlider", "colorCheckBox"),
            "checkerboard": ("stageLabel", "tileLabel", "tileSlider"),
            "curtain": ("stageLabel", "curtainAxisLabel", "curtainAxisComboBox", "curtainLabel", "curtainSlider"),
            "flicker": ("stageLabel", "flickerLabel", "flickerSlider", "colorCheckBox"),
            "deformation": ("opacityLabel", "opacitySlider", "gridLinesCheckBox", "rangeLabel"),
            "translated": ("opacityLabel", "opacitySlider"),
            "uncertainty": ("opacityLabel", "opacitySlider", "rangeLabel"),
        }
        self._timer = qt.QTimer()
        self._timer.connect("timeout()", self._onTimer)
        self._flickered = False
        self._look: tuple[Any, ...] = ()
        self._isNew = True
        sliceViews.leaving.append(self._onLeaving)
        logic.runner.watchers.append(self._onRunner)
        self._wasBusy = False
        self.ui.beforeButton.connect("clicked(bool)", self._onBefore)
        self.ui.afterButton.connect("clicked(bool)", self._onAfter)
        self.ui.linkCheckBox.connect("clicked(bool)", self._onLink)

    def setCase(self, case: Case | None) -> None:
        """Show another case."""
        if self.case is not None and not self.shows(case):
            self._leave(self.case)
        self._look = ()
        super().setCase(case)

    def forget(self) -> None:
        """Begin with the result of the case, if it has one, also where the section is closed."""
        self._isNew = True

    def need(self) -> str:
        """What is missing before there is something to review."""
        if self.case is not None and isOvertaken(self.case):
            return _("Register again first")
        return _("Register first") if self._pair() is None else ""

    def done(self) -> bool:
        """Whether the user went on from looking at the last result to carrying targets by it."""
        return self.case is not None and areTargetsCarried(self.case)

    def cleanup(self) -> None:
        """Stop the flicker and let go of the case."""
        self._timer.stop()
        sliceViews.leaving.remove(self._onLeaving)
        super().cleanup()

    def refresh(self) -> None:
        """Show what was chosen, in the way that was chosen."""
        case = self.case
        assert case is not None
        texts = self._texts(translated=case.translatedMr is not None, uncertainty=case.uncertainty is not None)
        self._review.setTexts(texts)
        if case.review not in texts:
            case.review = "overlay"
        self._review.show(case.review)
        self._axis.show(case.curtainAxis)
        self.ui.beforeButton.checked, self.ui.afterButton.checked = case.showBefore, not case.showBefore
        self.ui.linkCheckBox.checked = sliceLayers.linked()
        pair = self._pair()
        busy = self.logic.runner.isAt(case.parameterNode)
        active = pair is not None and not case.showStart and not busy
        self._showRows(case.review if pair is not None else "")
        colors = case.review in ("deformation", "uncertainty")
        self.ui.opacityLabel.text = _("Color opacity:") if colors else _("MR opacity:")
        self.ui.reviewComboBox.enabled = pair is not None and not busy
        if not active or pair is None:
            self._leave(case)
            self._look = ()
            self.ui.whatLabel.text = self.ui.reviewComboBox.toolTip = self._why(case, busy)
            return
        self.ui.reviewComboBox.toolTip = _("How the MR and the TRUS are shown together in the slice views.")
        isNew, self._isNew = self._isNew, False
        if self.collapsed and not isNew:  # the views are for whatever is being done instead
            self._rest(case)
            self._look = ()
            return
        look = _lookAt(case, *pair)
        if look == self._look:  # what was changed is not seen here, and the views may show something else by now
            return
        self._look = look
        if case.review != "flicker":
            self._timer.stop()
        if case.review != "deformation":
            deformationDisplay.hide(case.beyondStart, case.magnitude)
        if case.review != "uncertainty":
            deformationDisplay.hide(None, case.uncertainty)
        trus, mr = pair
        # Slices that showed something else, such as frames, may be turned otherwise and lie outside of the TRUS.
        turned = sliceLayers.fit(trus, unless=(trus, case.reviewPicture, case.translatedUs))
        if turned and case.frameOutline is not None:
            case.frameOutline.SetDisplayVisibility(False)
        for node in (case.warped, case.before):
            node.GetDisplayNode().SetAndObserveColorNodeID(COLOR if case.inColor else GRAY)
        try:
            self.ui.whatLabel.text = self._ways[case.review](case, trus, mr)
        except InputError as error:
            self.ui.whatLabel.text = str(error)

    def _pair(self) -> tuple[Any, Any] | None:
        """The TRUS volume that was registered, and the MR on its grid, before or after."""
        case = self.case
        if case is None or case.warped is None or case.before is None or case.deformation is None or isOvertaken(case):
            return None
        trus = case.deformation.GetNodeReference(slicer.vtkMRMLTransformNode.GetFixedNodeReferenceRole()) or case.trus
        return None if trus is None else (trus, case.before if case.showBefore else case.warped)

    def _texts(self, *, translated: bool = False, uncertainty: bool = False) -> dict[str, str]:
        texts = {
            "overlay": _("Overlay"),
            "checkerboard": _("Checkerboard"),
            "curtain": _("Curtain"),
            "flicker": _("Flicker"),
            "deformation": _("Deformation"),
        }
        if translated:
            texts["translated"] = _("Translated pair")
        if uncertainty:
            texts["uncertainty"] = _("Uncertainty")
        return texts

    def _showRows(self, review: str) -> None:
        shown = self._rows.get(review, ())
        for names in self._rows.values():
            for name in names:
                getattr(self.ui, name).visible = name in shown
        for button in (self.ui.beforeButton, self.ui.afterButton):
            button.visible = "stageLabel" in shown

    def _why(self, case: Case, busy: bool) -> str:
        if busy:
            return _("A job is under way: the views show how it goes.")
        if isOvertaken(case):
            return _("The TRUS volume was made anew since it was registered: register again.")
        if self._pair() is None and case.registerResults:
            return _("Nothing to review: what was registered, or what came of it, was deleted. Register again.")
        if self._pair() is None:
            return _("Nothing to review yet: register first.")
        return _(
            'The views show the start. Choose "Before" or "After registration", or turn off the start under Align.'
        )

    # Ways of looking. Each sets the views and says in a sentence what is seen.

    def _overlay(self, case: Case, trus: Any, mr: Any) -> str:
        sliceLayers.show(trus, mr, case.opacity / 100)
        return _("{mr} over the TRUS. Follow the border of the gland while you change the opacity.").format(
            mr=_name(case)
        )

    def _checkerboard(self, case: Case, trus: Any, mr: Any) -> str:
        self._keep(case, "reviewPicture", self.logic.pictures.checkerboard(mr, trus, case.tileMm, case.reviewPicture))
        sliceLayers.show(case.reviewPicture)
        return _("{mr} and the TRUS in turn. Borders should run on from tile to tile.").format(mr=_name(case))

    def _curtain(self, case: Case, trus: Any, mr: Any) -> str:
        picture = self.logic.pictures.curtain(mr, trus, case.curtainShare / 100, case.curtainAxis, case.reviewPicture)
        self._keep(case, "reviewPicture", picture)
        sliceLayers.show(picture)
        sides = {
            "right-left": _("{mr} on the patient's right of the curtain, the TRUS on the left."),
            "front-back": _("{mr} in front of the curtain, the TRUS behind it."),
            "feet-head": _("{mr} below the curtain, the TRUS above it."),
        }
        return sides[case.curtainAxis].format(mr=_name(case))

    def _flicker(self, case: Case, trus: Any, mr: Any) -> str:
        sliceLayers.show(trus, mr, float(self._flickered))
        self._timer.setInterval(round(1000 / case.flickerHz))
        if not self._timer.active and not self.collapsed:
            self._timer.start()
        return _("{mr} and the TRUS in turn. What fits stands still, what does not jumps.").format(mr=_name(case))

    def _deformation(self, case: Case, trus: Any, mr: Any) -> str:
        if case.beyondStart is None or case.magnitude is None:
            self._keep(case, "beyondStart", deformationDisplay.beyondStartOf(case.deformation, case.beyondStart))
            self._keep(case, "magnitude", deformationDisplay.magnitudeOf(case.beyondStart, case.magnitude))
        sliceLayers.show(trus, case.magnitude, case.opacity / 100)
        most = deformationDisplay.show(case.beyondStart, case.magnitude, gridLines=case.gridLines)
        self._tellRange(most)
        return _("How far the deformation moves the MR beyond the start, over the TRUS.")

    def _translated(self, case: Case, trus: Any, mr: Any) -> str:
        sliceLayers.show(case.translatedUs, case.translatedMr, case.opacity / 100)
        return _("What the registration compared: the translated MR at the start over the translated TRUS.")

    def _uncertainty(self, case: Case, trus: Any, mr: Any) -> str:
        sliceLayers.show(trus, case.uncertainty, case.opacity / 100)
        self._tellRange(deformationDisplay.colored(case.uncertainty))
        return _("How far off the deformation may be, over the TRUS. It knows of no mistake that looks right.")

    def _tellRange(self, most: float) -> None:
        self.ui.rangeLabel.text = _("Yellow stands for 0 mm, red for {most:.1f} mm.").format(most=most)

    def _keep(self, case: Case, field: str, node: Any) -> None:
        known = getattr(case, field)
        if known is None or known.GetID() != node.GetID():
            if field == "reviewPicture":
                node.SetHideFromEditors(True)  # nobody shall choose it as an image
            setattr(case, field, node)

    def _leave(self, case: Case) -> None:
        """Take away what only belongs to reviewing."""
        self._rest(case)
        deformationDisplay.hide(case.beyondStart, case.magnitude, case.uncertainty)

    def _rest(self, case: Case) -> None:
        """End the flicker with both images seen, and not with the one that it was just at."""
        if self._timer.active:
            self._timer.stop()
            sliceLayers.setOpacity(case.opacity / 100)

    def _onLeaving(self) -> None:
        if self.case is not None:
            self._leave(self.case)

    def _onTimer(self) -> None:
        self._flickered = not self._flickered
        sliceLayers.setOpacity(float(self._flickered))

    def _onRunner(self) -> None:
        if self.logic.runner.busy != self._wasBusy:
            self._wasBusy = self.logic.runner.busy
            self.changed()

    def _onReview(self, key: str) -> None:
        assert self.case is not None
        with slicer.util.NodeModify(self.case.parameterNode):
            self.case.review = key
            self.case.showStart = False

    def _onAxis(self, key: str) -> None:
        assert self.case is not None
        self.case.curtainAxis = key

    def _onBefore(self, checked: bool = False) -> None:
        self._choose(True)

    def _onAfter(self, checked: bool = False) -> None:
        self._choose(False)

    def _choose(self, before: bool) -> None:
        assert self.case is not None
        with slicer.util.NodeModify(self.case.parameterNode):
            self.case.showBefore = before
            self.case.showStart = False
        self._look = ()  # also where it was chosen already: the views may show something else by now
        self.changed()

    def _onLink(self, linked: bool) -> None:
        sliceLayers.link(linked)


def _lookAt(case: Case, *pair: Any) -> tuple[Any, ...]:
    """All that decides on what is seen."""
    nodes = (*pair, case.translatedMr, case.translatedUs, case.uncertainty)
    images = [(node.GetID(), imageTime(node)) for node in nodes if node is not None]
    sliders = case.opacity, case.tileMm, case.curtainShare, case.flickerHz
    return case.review, case.curtainAxis, case.inColor, case.gridLines, *sliders, *images


def _name(case: Case) -> str:
    return _("The MR before registration") if case.showBefore else _("The MR after registration")
