"""`grpc.health.v1`: Check, List and Watch, for the whole server and for each model.

Guarantee: a watcher gets every lasting change, and the last one before its stream ends; a slow
watcher holds up nobody, as each stream has a thread of the streams' own pool. The service `""`
is the whole server; a model's service is its name, and `dagrun.v1.Prediction` goes with `""`.
Written anew because the reference servicer has no List and sends from whoever changes a status.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping

import grpc
from grpc_health.v1 import health_pb2

from dagrun.server.serving.refusals import Refusal, parsed

SERVICE = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
_UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN


class ServiceUnknown(Refusal):
    """A health check of a service or model that this server does not have."""

    code = grpc.StatusCode.NOT_FOUND

    def __init__(self, service: str) -> None:
        self.service = service
        super().__init__("unknown service")


class Health:
    """The status of each service."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._statuses: Mapping[str, int] = {}
        self._closed = False

    def set(self, statuses: Mapping[str, int]) -> None:
        """Replace all statuses; services that are no longer named become unknown."""
        with self._changed:
            if not self._closed:
                self._statuses = dict(statuses)
                self._changed.notify_all()

    def is_serving(self, service: str = "") -> bool:
        """Return whether a service takes requests; the whole server by default."""
        return bool(self._status(service) == SERVING)

    def close(self) -> None:
        """Set everything to NOT_SERVING for good; watches end once they have said so."""
        with self._changed:
            self._statuses = dict.fromkeys(self._statuses, NOT_SERVING)
            self._closed = True
            self._changed.notify_all()

    def check(self, data: bytes, context: grpc.ServicerContext) -> bytes:  # noqa: ARG002
        """Answer with the status of one service. Raises `ServiceUnknown`."""
        service = parsed(health_pb2.HealthCheckRequest, data).service
        status = self._statuses.get(service)
        if status is None:
            raise ServiceUnknown(service)
        return bytes(_response(status).SerializeToString())

    def list(self, data: bytes, context: grpc.ServicerContext) -> bytes:  # noqa: ARG002
        """Answer with the status of every service."""
        statuses = {name: _response(status) for name, status in self._statuses.items()}
        return bytes(health_pb2.HealthListResponse(statuses=statuses).SerializeToString())

    def watch(self, data: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
        """Yield the status of one service, now and at each change."""
        service = parsed(health_pb2.HealthCheckRequest, data).service
        context.add_callback(self._wake)
        told = None
        while context.is_active():
            with self._changed:
                while (
                    (status := self._status(service)) == told
                    and not self._closed
                    and context.is_active()
                ):
                    self._changed.wait()
                closed = self._closed
            if status != told:
                yield _response(status).SerializeToString()
                told = status
            if closed:
                return

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _status(self, service: str) -> int:
        return self._statuses.get(service, _UNKNOWN)


def _response(status: int) -> health_pb2.HealthCheckResponse:
    return health_pb2.HealthCheckResponse(status=status)
