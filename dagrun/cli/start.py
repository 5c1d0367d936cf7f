"""Where `dagrun` starts: at the receipt, if there is one, else at the command line proper.

Nothing heavy, click included, is imported before the receipt has been asked.
"""

from __future__ import annotations

import sys
from importlib import import_module

from dagrun.cli.answering import answer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_COMMAND_LINE = "dagrun.cli.main"


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out a command line (default: this process's) and return its exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    code = answer(words)
    return int(import_module(_COMMAND_LINE).main(words)) if code is None else code
