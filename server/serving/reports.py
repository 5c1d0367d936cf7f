"""What a server tells its operator when it starts and when it has ended."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from dagrun.engine.dispatching import machine

if TYPE_CHECKING:
    from dagrun.server.serving.server import Server


def started(server: Server) -> Iterator[str]:
    """Yield where it listens, how it is laid out, who may enter, and where it logs."""
    found = machine.available()
    plural = "s" * (found.count != 1)
    yield f"gRPC on {server.address} (dagrun.v1, Open Inference Protocol V2, health, reflection)"
    yield (
        f"1 process x {server.settings.threads} threads, 1 thread per prediction "
        f"({found.limit}: {found.count} CPU{plural})"
    )
    if server.log is not None:
        yield f"predictions are logged to {server.log.folder}"
    yield from server.entrance.report()


def ended(server: Server) -> Iterator[str]:
    """Yield how much it has answered, what was computed again, and what was logged."""
    calls = server.prediction.answered
    yield f"stopped: {calls} call{'' if calls == 1 else 's'} answered with scores"
    counts = [model.rechecked for model in server.models.current.values()]
    if rows := sum(count.rows for count in counts):
        different = sum(count.different for count in counts)
        yield f"rows computed again by the batch twin: {rows}, {different} with other bits"
    if server.log is not None:
        yield str(server.log.counts)
