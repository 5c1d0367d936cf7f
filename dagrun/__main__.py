"""`python -m dagrun` is the command line."""

import sys

from dagrun.cli.start import main

if __name__ == "__main__":
    sys.exit(main())
