"""How many threads to train with when nobody says.

Guarantee: at least one, at most what this process may use. The limit: it is a look at the load of
the last minute. The models of `dagrun.stages.train` do not depend on it.
"""

from __future__ import annotations

import os

from dagrun.engine.dispatching.machine import available


def idle_cores() -> int:
    """Return the cores that others leave idle; two threads on one core train slower than one.

    They wait for each other in turns: on two busy cores, 40 s with two threads against 10 s with
    one for the trees of the flights.
    """
    return max(1, round(available().count - os.getloadavg()[0]))
