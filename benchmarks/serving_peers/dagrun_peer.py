"""The server as `dagrun serve` runs it: supervisor and workers, with everything that is on by
default: validation, deadlines, limits, metrics, prediction log, recheck.

`python -m serving_peers.dagrun_peer KIND CORE FOLDER`, KIND being `dagrun` for one worker, or
`dagrun-2` for two; the supervisor stays on the same core.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

from dagrun.engine.store.store import Store
from dagrun.server.serving.settings import ServerSettings
from dagrun.server.supervisor import FleetSettings, Running, serve
from serving_peers.control import obey, pin

_SNAPSHOTS = 0.6
"""Seconds after which the supervisor has heard of everything that workers have answered."""


def main() -> None:
    kind, core, folder = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    pin(core)
    settings = FleetSettings(
        server=ServerSettings(port=0, prediction_log=str(folder / "predictions" / kind)),
        workers=2 if kind == "dagrun-2" else 1,
        http_port=0,
    )
    store = Store.open(folder)
    serve(["flights"], settings, store=store, report=lambda line: None, on_ready=_obey)


def _obey(running: Running) -> None:
    def answered() -> int:
        time.sleep(_SNAPSHOTS)
        return sum(call["sizes"][0] for call in running.fleet.totals()["calls"])

    def until_the_end() -> None:
        obey(int(running.address.rpartition(":")[2]), answered)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=until_the_end, daemon=True).start()


if __name__ == "__main__":
    main()
