"""The supervisor's settings: parsed once at the edge, immutable ever after."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from dagrun.engine.dispatching import machine
from dagrun.server.observe.logs import Form
from dagrun.server.serving.settings import ServerSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetSettings:
    """How many workers there are, and how they are looked after.

    Attributes:
        server: how each worker listens and what it lets in.
        http_port: port of metrics and probes, on the same host; 0 takes a free one.
        log: whether the log is text or JSON.
        workers: processes that answer; 0 for one per CPU that this process may use. One process
            serves from about one CPU, as Python runs one thread at a time.
        replay: the command that tries a version on the prediction log and keeps a report, given
            `name@staging` as its last argument; none for a server that does not.
        folders: where workers find the modules that a project defines.
        poll_seconds: how often the registry is looked at.
        silent_rounds: a worker that gave no sign of life for so many of these looks is killed
            and another one started. Counted in looks, so that a machine that slept kills nobody.
        restart_seconds: pause before a worker that died is started again; it doubles for each
            one that dies within `steady_seconds` of its start, up to `most_restart_seconds`.
    """

    server: ServerSettings = field(default_factory=ServerSettings)
    http_port: int = 8501
    log: Form = "text"
    workers: int = 0
    replay: tuple[str, ...] = ()
    folders: tuple[Path, ...] = ()
    poll_seconds: float = 0.2
    silent_rounds: int = 150
    restart_seconds: float = 0.1
    most_restart_seconds: float = 10.0
    steady_seconds: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How many processes and threads serve, and what that follows from.

    Attributes:
        workers: processes.
        threads: threads of each that answer `Predict`.
        table_cpus: CPUs that one table may use in each.
        cpus: CPUs there are, and what limits them.
        chosen: whether the number of workers was asked for.
    """

    workers: int
    threads: int
    table_cpus: int
    cpus: machine.Cpus
    chosen: bool

    @classmethod
    def of(cls, settings: FleetSettings, cpus: machine.Cpus | None = None) -> Layout:
        """Lay out workers on the CPUs that this process may use."""
        found = cpus or machine.available()
        workers = settings.workers or found.count
        return cls(
            workers=workers,
            threads=settings.server.threads,
            table_cpus=max(1, found.count // workers),
            cpus=found,
            chosen=bool(settings.workers),
        )

    def __str__(self) -> str:
        processes = f"{self.workers} worker process{'es' if self.workers != 1 else ''}"
        cpus = f"{self.cpus.count} CPU{'s' if self.cpus.count != 1 else ''}"
        return (
            f"{processes} x {self.threads} threads, 1 thread per prediction "
            f"({self.cpus.limit}: {cpus})"
        )
