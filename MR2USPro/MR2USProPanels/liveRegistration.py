"""What is seen of a registration while it runs: its losses as a plot, and the MR as it has been deformed so far."""

from __future__ import annotations

from typing import Any

from slicer.i18n import tr as _

from . import sliceLayers
from .jobRunner import JobRunner
from .lossPlot import LossPlot
from .sceneNodes import removeNodes


class LiveRegistration:
    """Follows one run; whoever made it calls :meth:`end` once.

    Attributes:
        plot: of the losses.
    """

    def __init__(self, runner: JobRunner, trus: Any) -> None:
        self.plot = LossPlot()
        self._runner = runner
        self._trus = trus
        self._preview: Any = None
        self._seen = False
        self._fractions: dict[str, float] = {}
        self._before: sliceLayers.Layers = sliceLayers.layers()

    def hear(self, event: dict[str, Any], *, visible: bool) -> None:
        """Take an event of the worker; only where it is visible, the views are its own."""
        kind = event["event"]
        if kind == "progress":
            self._fractions[event["stage"]] = float(event["fraction"])
        elif kind == "values":
            self.plot.add(event["stage"], self._fractions.get(event["stage"], 0.0), event["figures"])
        elif kind == "preview":
            self._load(event["file"])
        if self._preview is not None:
            if visible and not self._seen:  # also where somebody has come back from another case
                sliceLayers.show(self._trus, self._preview, 0.5)
            self._seen = visible

    def end(self, *, keepPlot: bool) -> None:
        """Take away what was only there for the time of the run, and show what was shown before."""
        if self._preview is not None:
            sliceLayers.restore(self._before, self._preview)
        removeNodes(self._preview)
        self._preview = None
        if not keepPlot:
            self.plot.remove()

    def _load(self, name: str) -> None:
        from MR2USProLib import mrml
        from MR2USProLib.errors import InputError
        from MR2USProLib.volume import Volume

        run = self._runner.current
        assert run is not None
        try:
            picture = Volume.read(run.job.folder / name)
        except InputError:
            return  # the job ended meanwhile and took its folder with it
        new = self._preview is None
        self._preview = mrml.volume_node(picture, _("Preview"), self._preview)
        if new:
            self._preview.SetSaveWithScene(False)
            self._preview.SetHideFromEditors(True)
