"""A worker process as its supervisor sees it.

Guarantee: a worker never outlives its supervisor for long: the end of the control channel, however
it came about, is its order to finish and end.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

from dagrun.server.observe.totals import merge
from dagrun.server.supervisor.channel import Channel, Document
from dagrun.server.supervisor.settings import FleetSettings, Layout

_PATIENCE = 5.0
"""Seconds that a worker may take to make room for one more order."""
_MODULE = "dagrun.server.supervisor.worker"
_LISTENING = {"GRPC_EXPERIMENTS": "-event_engine_listener"}
"""Has gRPC read connections on the thread that takes its events, as it did before it had threads of
its own for that: a caller alone waits a tenth less for each answer."""


class Member:
    """One worker process, started.

    Attributes:
        number: never given twice.
        slot: its place among the workers, from 1; the one that takes its place has the same.
        started: moment of the start, by the monotonic clock.
        snapshot: its latest totals.
        arms: by served name, label and arm, what that arm did (`Tally.to_json`).
        silent: looks since its last sign of life.
        private: the Unix socket it answers on once it serves.
    """

    def __init__(
        self,
        number: int,
        slot: int,
        settings: FleetSettings,
        layout: Layout,
        *,
        store: Path | None,
        folder: Path,
    ) -> None:
        """Start it, with its private socket in `folder`."""
        self.number, self.slot, self.started = number, slot, time.monotonic()
        self.snapshot: Document = merge([])
        self.arms: Document = {}
        self.silent = 0
        self.private = folder / f"{number}.sock"
        ours, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", _MODULE, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env={**_LISTENING, "POLARS_MAX_THREADS": str(layout.table_cpus), **os.environ},
            )
        ours.settimeout(_PATIENCE)
        self.channel = Channel(ours)
        self.send(
            {
                "settings": asdict(replace(settings.server, private=str(self.private))),
                "store": str(store) if store else "",
                "log": settings.log,
                "folders": [str(path) for path in settings.folders],
            }
        )

    def __str__(self) -> str:
        return f"worker {self.slot} (process {self.process.pid})"

    def send(self, document: Document) -> None:
        """Send an order; a worker that takes none any more is killed."""
        if not self.channel.send(document):
            self.kill()

    def kill(self) -> None:
        """End it at once; its connections break."""
        self.process.kill()

    def ended(self) -> str:
        """Wait for the end, which the channel has announced, and return how it came."""
        self.channel.close()
        self.private.unlink(missing_ok=True)
        code = self.process.wait()
        return f"ended with code {code}" if code >= 0 else f"died of {_signal_name(-code)}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
