"""How a peer is run: pinned to a core, and asked over its standard streams.

A peer prints its port when it serves. To each line on its input it answers with the number of
requests that it has answered well so far: its own count, not what a load tool takes for success.
At the end of its input it ends.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable


def pin(core: int) -> None:
    """Stay on one core; call it before any thread is started."""
    if core >= 0:
        os.sched_setaffinity(0, {core})


def obey(port: int, answered: Callable[[], int]) -> None:
    """Serve the parent until it closes our input."""
    print(port, flush=True)
    for _ in sys.stdin:
        print(answered(), flush=True)
