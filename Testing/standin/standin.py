"""The stand-in application as tests use it."""

import contextlib
import importlib
import os
import pathlib
import shutil
import sys
import tempfile
import time
import types
from collections.abc import Callable
from typing import Any

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
OWN = ("i18n", "packaging", "ScriptedLoadableModule", "parameterNodeWrapper")


class Standin:
    """Slicer, as far as panels see it. There is one per process."""

    _started: "Standin | None" = None

    @classmethod
    def start(cls) -> "Standin":
        """Put qt, ctk and the rest of slicer in place, once."""
        if cls._started is None:
            cls._started = cls()
        return cls._started

    def __init__(self) -> None:
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
        if sys.platform.startswith("linux"):
            os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkEGLRenderWindow")
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="standin"))
        import atexit

        atexit.register(shutil.rmtree, self.folder, ignore_errors=True)
        import slicer
        from PySide6.QtCore import QSettings

        slicer.modules = sys.modules["slicer.modules"] = types.ModuleType("slicer.modules")
        slicer.moduleNames = sys.modules["slicer.moduleNames"] = types.ModuleType("slicer.moduleNames")
        from . import application, look, namespaces, record, util
        from .values import wrap

        QSettings.setDefaultFormat(QSettings.Format.IniFormat)
        QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, str(self.folder / "settings"))
        record.listen()
        self._record = record.record
        self._application = application.qSlicerApplication(self.folder)
        look.apply(self._application)
        self._application.setup()
        slicer.app = wrap(self._application)
        slicer.mrmlScene = self._application.mrmlScene()
        namespaces.install()
        self._pythonPackage(slicer)
        util.install(self)
        self._modules()
        self._open: Any = None

    def _pythonPackage(self, slicer: Any) -> None:
        """Slicer's Python files: genuine ones where SLICER_SOURCE names a checkout, else our own."""
        here, source = pathlib.Path(__file__).parent, os.environ.get("SLICER_SOURCE")
        package = pathlib.Path(source) / "Base" / "Python" / "slicer" if source else here / "python"
        scripted = pathlib.Path(source) / "Modules" / "Scripted" / "SampleData" if source else here / "scripted"
        folders = [file.parent for file in REPOSITORY.glob("*/*.py") if file.stem == file.parent.name]
        sys.path.extend(str(folder) for folder in (scripted, *folders) if str(folder) not in sys.path)
        slicer.__path__.append(str(package))
        for name in OWN:
            setattr(slicer, name, importlib.import_module(f"slicer.{name}"))

    def _modules(self) -> None:
        from .modules import qSlicerLoadableModule

        for name, logic in self._application.content.logics.items():
            self._application.moduleManager().add(qSlicerLoadableModule(name, logic))

    # Modules and the scene

    def loadModule(self, name: str, folder: pathlib.Path | None = None) -> Any:
        """Load a scripted module from the folder of its name, and those it depends on; gives slicer.modules.NAME."""
        from .modules import qSlicerScriptedLoadableModule
        from .values import wrap

        manager = self._application.moduleManager()
        if name not in manager.modules:
            path = (folder or REPOSITORY / name) / f"{name}.py"
            if not path.is_file():
                raise ValueError(f"there is no module {name}: {name}/{name}.py is missing")
            module = qSlicerScriptedLoadableModule(name, path)
            manager.add(module)
            for needed in module.dependencies or ():
                if (REPOSITORY / needed / f"{needed}.py").is_file():
                    self.loadModule(needed)
            application = wrap(self._application)
            application.startupCompleted()
            application.disconnect("startupCompleted()")
        return wrap(manager.modules[name])

    def openModule(self, name: str, folder: pathlib.Path | None = None) -> Any:
        """Show a module's panel, as choosing it in Slicer's list does. Gives its ScriptedLoadableModuleWidget."""
        panel = self.loadModule(name, folder).widgetRepresentation()
        if self._open != panel:
            self._leave()
            self._open = panel
            panel._qt.resize(480, panel._qt.sizeHint().height())
            panel._qt.show()
            panel.enter()
        self.process()
        return panel.self()

    def _leave(self) -> None:
        if self._open is not None:
            self._open.exit()
            self._open.hide()
        self._open = None

    def clearScene(self) -> None:
        """Close the scene, as File/Close Scene does."""
        import slicer

        slicer.mrmlScene.Clear(0)
        self.process()

    def saveScene(self, path: str | pathlib.Path) -> None:
        """Save as .mrb, or as .mrml with the nodes' files next to it."""
        import slicer

        from . import files

        assert files.saveScene(slicer.mrmlScene, pathlib.Path(path)), f"the scene could not be saved to {path}"

    def loadScene(self, path: str | pathlib.Path) -> None:
        """Load a scene in the place of the present one."""
        import slicer

        from . import files

        assert files.loadScene(slicer.mrmlScene, pathlib.Path(path)), f"no scene could be loaded from {path}"
        self.process()

    # Time

    def process(self, seconds: float = 0) -> None:
        """Run Qt's event loop, for a while.

        A while has several rounds, however slow the machine: what one round starts on a timer ends in a later one.
        """
        end = time.monotonic() + seconds
        rounds = 6 if seconds else 1
        while rounds > 0 or time.monotonic() < end:
            self._application.sendPostedEvents()
            self._application.processEvents()
            rounds -= 1
            if seconds:
                time.sleep(0.005)

    def waitUntil(self, condition: Callable[[], Any], seconds: float = 30) -> None:
        """Run Qt's event loop until the condition holds. Fails when it does not within the time."""
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, f"still waiting after {seconds} s; errors: {self.errors}"
            self.process(0.01)

    # What happened

    @property
    def messages(self) -> list[tuple[str, str]]:
        """(level, text) of everything shown to the user: info, warning, error, confirm, delay."""
        return self._record.messages

    @property
    def errors(self) -> list[str]:
        """Exceptions in slots and observers, and warnings by Qt."""
        return self._record.errors

    @property
    def answers(self) -> dict[str, Any]:
        """What the user answers: confirm, openFile, openFiles, saveFile, openFolder, text, dialog."""
        return self._record.answers

    @property
    def openedUrls(self) -> list[str]:
        """Addresses given to QDesktopServices.openUrl."""
        return self._record.openedUrls

    def reset(self) -> None:
        """No panel open, an empty scene in the usual layout, nothing remembered, default answers and settings."""
        import slicer
        from PySide6.QtCore import QSettings

        from . import record

        record.listen()  # a command line that ran in this process has hooks of its own
        self._leave()
        self.clearScene()
        self._application.layoutManager().setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)
        QSettings().clear()
        self._record.clear()

    # Pictures

    def picture(self, panel: Any, path: str | pathlib.Path, width: int = 480) -> None:
        """Save a panel as a picture, in full height."""
        from . import look

        look.grab(getattr(panel, "parent", panel), width).save(str(path))

    def viewsPicture(self, path: str | pathlib.Path, size: tuple[int, int] = (1000, 800)) -> None:
        """Save the slice views and the 3-D view, as the layout has them."""
        from . import views

        views.arranged(self._application.layoutManager(), *size).save(str(path))

    def windowPicture(self, panel: Any, path: str | pathlib.Path, size: tuple[int, int] = (1400, 860)) -> None:
        """Save a panel and the views side by side, as in Slicer's main window."""
        from . import look, views

        left = look.grab(getattr(panel, "parent", panel), 480)
        right = views.arranged(self._application.layoutManager(), size[0] - 480, max(size[1], left.height()))
        look.beside(left, right).save(str(path))

    def plotPicture(self, chart: Any, path: str | pathlib.Path, size: tuple[int, int] = (700, 450)) -> None:
        """Save a vtkMRMLPlotChartNode as a picture."""
        from . import plots

        plots.draw(chart, *size).save(str(path))

    @contextlib.contextmanager
    def answering(self, **answers: Any) -> Any:
        """Give other answers for a while."""
        before = dict(self.answers)
        self.answers.update(answers)
        try:
            yield
        finally:
            self.answers.clear()
            self.answers.update(before)
