"""How a peer is run: pinned to a core, and asked over its standard streams.

A peer prints its port when it serves. To each line on its input it answers with one number: the
requests that it has answered well so far, by its own count, not what a load tool takes for
success. At the end of its input it ends.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TextIO


def pin(core: int) -> None:
    """Stay on one core; call it before any thread is started. -1 stands for all cores."""
    if core >= 0:
        os.sched_setaffinity(0, {core})


def obey(port: int, answered: Callable[[], float], to: TextIO = sys.stdout) -> None:
    """Serve the parent until it closes our input."""
    print(port, file=to, flush=True)
    for _ in sys.stdin:
        print(answered(), file=to, flush=True)


def own_output() -> TextIO:
    """Return our output, for a peer whose library writes to it: that goes to the errors then."""
    own = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return own
