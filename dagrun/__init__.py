"""dagrun: an idempotent DAG engine for tabular machine learning, with gRPC serving.

Names are imported when they are first used, so that `import dagrun` stays light.
"""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False  # typing would cost as much as all that the quickest answers need
if TYPE_CHECKING:
    from dagrun.artifacts import load
    from dagrun.engine.context import Context
    from dagrun.engine.errors import DagrunError
    from dagrun.engine.remote.http import Http
    from dagrun.engine.remote.objects import Objects
    from dagrun.engine.remote.paging import Cursor, NextLink, Numbered
    from dagrun.engine.remote.query import Query
    from dagrun.engine.sources import Files
    from dagrun.engine.stage import Verdict, stage
    from dagrun.server.client import AsyncClient, Client

__version__ = "0.1.0"
__all__ = [
    "AsyncClient",
    "Client",
    "Context",
    "Cursor",
    "DagrunError",
    "Files",
    "Http",
    "NextLink",
    "Numbered",
    "Objects",
    "Query",
    "Verdict",
    "load",
    "stage",
]

_HOMES = {
    "AsyncClient": "dagrun.server.client",
    "Client": "dagrun.server.client",
    "Context": "dagrun.engine.context",
    "Cursor": "dagrun.engine.remote.paging",
    "DagrunError": "dagrun.engine.errors",
    "Files": "dagrun.engine.sources",
    "Http": "dagrun.engine.remote.http",
    "NextLink": "dagrun.engine.remote.paging",
    "Numbered": "dagrun.engine.remote.paging",
    "Objects": "dagrun.engine.remote.objects",
    "Query": "dagrun.engine.remote.query",
    "Verdict": "dagrun.engine.stage",
    "load": "dagrun.artifacts",
    "stage": "dagrun.engine.stage",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'dagrun' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
