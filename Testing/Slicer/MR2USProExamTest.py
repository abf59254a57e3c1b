"""A whole exam inside desktop Slicer: simulated, reconstructed, registered, exported."""

import tempfile
import unittest
from pathlib import Path

import slicer


class MR2USProExamTest(unittest.TestCase):
    """Needs the packages that the panel's section Environment installs; skipped where they are missing."""

    def setUp(self):
        from slicer.packaging import load_requirements, pip_check

        from MR2USProPanels.environment import REQUIREMENTS

        missing = [r.name for r in load_requirements(REQUIREMENTS) if not pip_check(r)]
        if missing:
            self.skipTest(f"not installed: {', '.join(missing)}")
        slicer.mrmlScene.Clear()

    def test_ASimulatedExamIsRegistered(self):
        from MR2USPro import MR2USProLogic

        logic = MR2USProLogic()
        exam = logic.simulateExam(frames=40, level="easy")
        case = logic.runExam(
            exam.mr,
            sagittal=exam.folder / "sagittal.mha",
            transverse=exam.folder / "transverse.mha",
            preset="fast",
        )
        self.assertIsNotNone(case.warped)
        self.assertEqual(case.warped.GetImageData().GetDimensions(), case.trus.GetImageData().GetDimensions())
        with tempfile.TemporaryDirectory() as folder:
            written = logic.export(case, folder)
            self.assertIn(Path(folder) / "mr_on_trus.nrrd", written)
            self.assertTrue(all(path.is_file() for path in written))
        logic.cleanup()
