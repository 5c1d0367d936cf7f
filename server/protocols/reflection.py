"""Reflection over what is served at the moment, typed services included.

Guarantee: a service is listed while it is served, and described by the descriptors that its
requests are read with, out of their own pool. Where it ends: a symbol that two pools know is
described by the one that was there first; that of the fixed services goes before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2

from dagrun.server.protocols.typed import Typed
from dagrun.server.serving.router import Handler
from dagrun.server.serving.streams import Streams

_NAMES = (reflection.SERVICE_NAME, "grpc.reflection.v1.ServerReflection")
"""Both names of one protocol: its messages are the same on the wire."""


def reflected(
    streams: Streams, services: Sequence[str], pool: Any, typed: Typed
) -> Mapping[str, Handler]:
    """Return the methods that tell of `services`, described by `pool`, and of the typed ones."""
    servicer = Reflection((*services, _NAMES[0]), pool, typed)
    handler = grpc.stream_stream_rpc_method_handler(
        streams.streaming("ServerReflectionInfo", servicer.ServerReflectionInfo, endless=True),
        reflection_pb2.ServerReflectionRequest.FromString,
        reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    return {f"/{name}/ServerReflectionInfo": handler for name in _NAMES}


class Reflection(reflection.ReflectionServicer):  # type: ignore[misc]
    """The servicer of both versions of the protocol."""

    def __init__(self, services: Sequence[str], pool: Any, typed: Typed) -> None:
        """Tell of `services`, described by `pool`, and of the typed ones."""
        super().__init__(services, pool=_Pools(pool, typed))
        self._fixed, self._typed = tuple(services), typed

    def _list_services(self, request: Any) -> reflection_pb2.ServerReflectionResponse:
        names = sorted((*self._fixed, *self._typed.services))
        listed = [reflection_pb2.ServiceResponse(name=name) for name in names]
        return reflection_pb2.ServerReflectionResponse(
            list_services_response=reflection_pb2.ListServiceResponse(service=listed),
            original_request=request,
        )


class _Pools:
    """What reflection asks a pool, answered by the first pool that knows."""

    def __init__(self, pool: Any, typed: Typed) -> None:
        self._pool, self._typed = pool, typed

    def FindFileByName(self, name: str) -> Any:  # noqa: N802 - protobuf's name
        return self._first(lambda pool: pool.FindFileByName(name))

    def FindFileContainingSymbol(self, symbol: str) -> Any:  # noqa: N802
        return self._first(lambda pool: pool.FindFileContainingSymbol(symbol))

    def FindMessageTypeByName(self, name: str) -> Any:  # noqa: N802
        return self._first(lambda pool: pool.FindMessageTypeByName(name))

    def FindExtensionByNumber(self, message: Any, number: int) -> Any:  # noqa: N802
        return self._pool.FindExtensionByNumber(message, number)

    def FindAllExtensions(self, message: Any) -> Any:  # noqa: N802
        return message.file.pool.FindAllExtensions(message)

    def _first(self, find: Callable[[Any], Any]) -> Any:
        *pools, last = (self._pool, *(service.pool for service in self._typed.services.values()))
        for pool in pools:
            try:
                return find(pool)
            except KeyError:
                continue
        return find(last)
