"""The supervisor: one server from its start to its end, in the main thread of a light process.

Guarantee: the port is taken before anything is loaded and answered on only once every worker has
proved every model. A moved alias is served by all workers at once, or by none (see
`dagrun.server.supervisor.rollout`). SIGTERM or SIGINT ends it as `Server.drain` says, in all
workers at the same time; a second one ends it at once. SIGHUP has everything looked up again.
"""

from __future__ import annotations

import signal
import socket
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from dagrun.engine.errors import DagrunError
from dagrun.engine.store.store import Store
from dagrun.server.observe.port import HttpPort
from dagrun.server.serving.exposure import entrance
from dagrun.server.serving.http_tls import HttpTls
from dagrun.server.serving.listening import HeldPort
from dagrun.server.supervisor.conducting import Conducting
from dagrun.server.supervisor.fleet import Fleet, Report
from dagrun.server.supervisor.reports import ended, started
from dagrun.server.supervisor.routes import Routes, Watch
from dagrun.server.supervisor.served import ServedLog
from dagrun.server.supervisor.settings import FleetSettings, Layout
from dagrun.server.supervisor.site import site
from dagrun.server.supervisor.staging import Staging
from dagrun.stages.catalog import Catalog

_OVERTIME = 5.0
"""Seconds that workers may take to end beyond what they were given, before they are killed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A server that has begun to answer.

    Attributes:
        address: host and port of gRPC.
        http: host and port of metrics and probes.
        fleet: its workers.
    """

    address: str
    http: str
    fleet: Fleet


def serve(
    targets: Sequence[str | Path],
    settings: FleetSettings | None = None,
    *,
    store: Store | None = None,
    report: Report,
    on_ready: Callable[[Running], None] | None = None,
) -> None:
    """Serve models until SIGTERM or SIGINT. Call it from the main thread.

    Args:
        targets: what to serve: `name[@alias|@version]` in the registry, or a bundle's `Path`.
        settings: how; the defaults otherwise.
        store: where the registry is.
        report: gets each line about the start, the changes and the end.
        on_ready: called once all workers answer.

    Raises:
        NotServed: a bundle cannot be read, or does not give its recorded bits; nothing listened.
        NotRegistered, NamedTwice: there is nothing to serve.
        CannotListen: the address is not to be had.
        Exposed, BadCertificate, BadTokens: it must not be listened on as it was asked to.
        WorkerDied: a worker ended before it served anything.
    """
    asked = settings or FleetSettings()
    catalog = Catalog(store) if store else None
    watch, conducting = Watch(targets, catalog), Conducting(catalog, report)
    staging = Staging(store, watch.models, asked.replay, report)
    routes, layout, doors = watch.routes(), Layout.of(asked), entrance(asked.server)
    with (
        HeldPort(asked.server.host, asked.server.port) as held,
        HttpPort(asked.server.host, asked.http_port) as http,
        tempfile.TemporaryDirectory(prefix="dagrun-") as folder,
        _signals() as signals,
    ):
        shared = replace(asked.server, port=held.port, shared=True)
        log = _served_log(store, held.port, report)
        fleet = Fleet(
            replace(asked, server=shared),
            layout,
            store=store.folder if store else None,
            folder=Path(folder),
            report=report,
            on_served=log.note if log else lambda *_: None,
            on_refused=conducting.refused,
        )
        fleet.watch(signals, signals.take)
        tls = HttpTls(doors.certificate, Path(folder))
        http.serve(site(fleet, held.address, shared, doors), tls.context)
        looks = (lambda: conducting.look(fleet), staging.look, doors.look_again, tls.look_again)
        try:
            if _start(fleet, routes, signals, asked.poll_seconds):
                _tell(started(fleet, held.address, http.address, layout, shared, doors), report)
                if on_ready is not None:
                    on_ready(Running(address=held.address, http=http.address, fleet=fleet))
                _look_after(fleet, watch, looks, signals, asked, report)
            _finish(fleet, signals, shared.drain_seconds + shared.grace_seconds, report)
        finally:
            _kill(fleet, staging, log)
    _tell(ended(fleet.totals()), report)


def _tell(lines: Iterable[str], report: Report) -> None:
    for line in lines:
        report(line)


def _start(fleet: Fleet, routes: Routes, signals: _Signals, seconds: float) -> bool:
    """Have all workers serve; return whether nobody told to stop meanwhile."""
    fleet.start(routes)
    while not fleet.settled and not signals.stop:
        fleet.turn(seconds)
    return not signals.stop


def _served_log(store: Store | None, port: int, report: Report) -> ServedLog | None:
    return ServedLog(store.refs, f"{socket.gethostname()}:{port}", report) if store else None


def _look_after(
    fleet: Fleet,
    watch: Watch,
    looks: Iterable[Callable[[], object]],
    signals: _Signals,
    settings: FleetSettings,
    report: Report,
) -> None:
    """Keep the workers alive, `looks` taken and the routes current, until told to stop."""
    looked = time.monotonic()
    while not signals.stop:
        fleet.turn(settings.poll_seconds)
        for look in looks:
            look()
        if signals.again or watch.changed():
            try:
                fleet.want(watch.routes(), again=signals.again)
            except (DagrunError, OSError) as error:
                report(f"the registry cannot be read, all is served on: {error}")
            signals.again = False
        if time.monotonic() - looked >= settings.poll_seconds:
            looked = time.monotonic()
            fleet.looked()


def _finish(fleet: Fleet, signals: _Signals, seconds: float, report: Report) -> None:
    """Have the workers finish; kill them when told to stop again, or when it takes too long."""
    report("stopping: finishing what is in flight")
    fleet.drain()
    signals.stop = 0
    end = time.monotonic() + seconds + _OVERTIME
    while not fleet.gone and not signals.stop and time.monotonic() < end:
        fleet.turn(0.1)
    if not fleet.gone:
        report("stopping at once: what is in flight is dropped")


def _kill(fleet: Fleet, staging: Staging, log: ServedLog | None) -> None:
    staging.close()
    if log:
        log.note(fleet.served, {})
    fleet.kill()
    while not fleet.gone:
        fleet.turn(1.0)


class _Signals:
    """What signals have asked for, readable for a selector when one has come.

    Attributes:
        stop: how often to end was asked.
        again: whether to look everything up again.
    """

    def __init__(self) -> None:
        self.stop, self.again = 0, False
        self._ours, self._theirs = socket.socketpair()
        self._theirs.setblocking(False)

    def fileno(self) -> int:
        return self._ours.fileno()

    def handle(self, number: int, frame: object) -> None:  # noqa: ARG002
        if number == signal.SIGHUP:
            self.again = True
        else:
            self.stop += 1
        self._theirs.send(b"!")

    def take(self) -> None:
        self._ours.recv(1024)

    def close(self) -> None:
        self._ours.close()
        self._theirs.close()


@contextmanager
def _signals() -> Iterator[_Signals]:
    """Take SIGTERM, SIGINT and SIGHUP; put the handlers back afterwards."""
    signals = _Signals()
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    before = {number: signal.signal(number, signals.handle) for number in numbers}
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        signals.close()
