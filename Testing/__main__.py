"""`python3 Testing [pytest arguments]`: the tests, in an environment that the first call makes."""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "MR2USPro"))

from MR2USProLib import bootstrap, machine  # noqa: E402  # the path above leads to it

if __name__ == "__main__":
    bootstrap.enter("test")
    machine.need_rendering()
    import pytest

    os.chdir(str(ROOT))  # where pytest finds its configuration
    # One process for each core; the tests of a file share what they set up, so they stay together.
    sys.exit(pytest.main(["--numprocesses=auto", "--dist=loadfile", *sys.argv[1:]]))
