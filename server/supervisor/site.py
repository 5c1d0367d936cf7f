"""What the HTTP port of `dagrun serve` answers: metrics and probes of all workers, and V2 by REST.

Guarantee: the Open Inference Protocol wants the tokens here that it wants over gRPC; its calls go
to workers that serve. Metrics and probes ask for nothing. Where it ends: this port knows nobody's
certificate, so where gRPC asks its callers for one the protocol is not offered here.
"""

from __future__ import annotations

from collections.abc import Awaitable

from starlette.applications import Starlette

from dagrun.server.observe import metrics
from dagrun.server.observe.pages import Standing, pages
from dagrun.server.protocols import v2_messages, v2_routes
from dagrun.server.serving.admission import refused
from dagrun.server.serving.exposure import Entrance
from dagrun.server.serving.refusals import Refusal
from dagrun.server.serving.settings import ServerSettings
from dagrun.server.supervisor.fleet import Fleet
from dagrun.server.supervisor.inside import Inside

_REST_SECONDS = 30.0
"""Seconds that a call by REST may take."""


def site(fleet: Fleet, address: str, settings: ServerSettings, doors: Entrance) -> Starlette:
    """Return the HTTP port's application, for a server that answers gRPC at `address`."""
    inside = Inside(fleet.sockets)

    def call(method: str, data: bytes, shown: v2_routes.Shown) -> Awaitable[bytes]:
        return inside.call(f"/{v2_messages.SERVICE}/{method}", data, _REST_SECONDS, shown)

    def admit(method: str, shown: v2_routes.Shown) -> Refusal | None:
        return refused(doors.tokens.value, method, shown) if doors.tokens else None

    mounted = [] if doors.clients else v2_routes.routes(call, admit=admit)
    return pages(fleet.totals, lambda: _standing(fleet, address, settings), mounted)


def _standing(fleet: Fleet, address: str, settings: ServerSettings) -> Standing:
    """Return what the HTTP port tells of the server at this moment."""
    found = {reading.name: int(reading.value) for reading in fleet.readings()}
    return Standing(
        why_not=fleet.unready(),
        address=address,
        workers=found[metrics.WORKERS],
        restarts=found[metrics.RESTARTS],
        settings=settings,
    )
