"""The supervisor of a server's worker processes: layout, routes and control channel."""

from dagrun.server.supervisor.fleet import Fleet
from dagrun.server.supervisor.problems import NotServed, WorkerDied
from dagrun.server.supervisor.routes import NamedTwice
from dagrun.server.supervisor.settings import FleetSettings, Layout
from dagrun.server.supervisor.supervisor import Running, serve

__all__ = [
    "Fleet",
    "FleetSettings",
    "Layout",
    "NamedTwice",
    "NotServed",
    "Running",
    "WorkerDied",
    "serve",
]
