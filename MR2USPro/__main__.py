"""`python3 MR2USPro COMMAND ...`: the command line, in an environment that the first call makes."""

import sys

from MR2USProLib import bootstrap

if __name__ == "__main__":
    bootstrap.enter()
    try:
        from MR2USProLib.cli import main

        main()
    except KeyboardInterrupt:
        sys.exit(130)
