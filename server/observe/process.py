"""What a worker process takes: CPU time and resident memory.

Where it ends: resident memory is read from `/proc`, so on systems without it there is none.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

from dagrun.server.observe import metrics
from dagrun.server.observe.metrics import Reading

_STATM = Path("/proc/self/statm")


def readings() -> Iterator[Reading]:
    """Yield the readings of this process."""
    yield Reading(metrics.CPU_SECONDS, (), time.process_time())
    if _STATM.exists():
        pages = int(_STATM.read_text("ascii").split()[1])
        yield Reading(metrics.RESIDENT, (), pages * os.sysconf("SC_PAGE_SIZE"))
