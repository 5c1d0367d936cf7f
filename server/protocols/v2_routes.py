"""The REST form of the Open Inference Protocol V2: routes over any way to reach the methods.

Guarantee: a route does nothing but turn JSON into the message of the gRPC method, call it, and
turn its answer into JSON, so both forms say the same; an error has the method's status as an HTTP
status and `{"error": ...}` for a body; who is not let in is told so before the body is read. Where
it ends: JSON only, neither the binary extension nor compressed bodies; who may call is for whoever
mounts the routes. Nothing heavy is imported here.
"""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from typing import Any, Final

import grpc
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dagrun.server.protocols import v2_json
from dagrun.server.protocols import v2_messages as v2
from dagrun.server.protocols.v2_json_tensors import NotV2
from dagrun.server.serving.refusals import Refusal

Shown = Sequence[tuple[str, str]]
"""What a caller shows: the header `authorization`, if it came."""
Call = Callable[[str, bytes, Shown], Awaitable[bytes]]
"""Calls a method by its name, such as `ModelInfer`, with the bytes of its request and what its
caller showed, and returns the bytes of its response; raises `grpc.RpcError` when the answer is an
error."""
Admit = Callable[[str, Shown], Refusal | None]
"""Tells why a request for a method is refused; None when it is let in."""

MOST_BYTES = 16 * 1024 * 1024
_AT_ONCE = 64 * 1024
"""A body up to this size is turned into messages in the event loop: a few milliseconds."""
_OPTIONS: Final = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    # Whoever comes back is found within a second, not after gRPC's two minutes.
    ("grpc.max_reconnect_backoff_ms", 1_000),
]
_STATUSES: Final = {
    grpc.StatusCode.INVALID_ARGUMENT: HTTPStatus.BAD_REQUEST,
    grpc.StatusCode.FAILED_PRECONDITION: HTTPStatus.BAD_REQUEST,
    grpc.StatusCode.UNAUTHENTICATED: HTTPStatus.UNAUTHORIZED,
    grpc.StatusCode.PERMISSION_DENIED: HTTPStatus.FORBIDDEN,
    grpc.StatusCode.NOT_FOUND: HTTPStatus.NOT_FOUND,
    grpc.StatusCode.RESOURCE_EXHAUSTED: HTTPStatus.TOO_MANY_REQUESTS,
    grpc.StatusCode.UNIMPLEMENTED: HTTPStatus.NOT_IMPLEMENTED,
    grpc.StatusCode.UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    grpc.StatusCode.CANCELLED: HTTPStatus.SERVICE_UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED: HTTPStatus.GATEWAY_TIMEOUT,
}


class _Refused(Exception):
    def __init__(self, status: HTTPStatus, problem: str) -> None:
        self.status = status
        super().__init__(problem)


def over(targets: Callable[[], Sequence[str]], timeout: float = 30.0) -> Call:
    """Return a way to call the methods of gRPC servers that answer alike, in turn.

    `targets` tells their addresses, as `unix:/run/1.sock`, at each call. One that cannot be reached
    is passed over once, since asking again changes nothing. A call takes at most `timeout` seconds.
    """
    channels: dict[str, grpc.aio.Channel] = {}
    turns = itertools.count()

    async def call(name: str, data: bytes, shown: Shown = ()) -> bytes:
        found = targets()
        for gone in channels.keys() - set(found):
            await channels.pop(gone).close()
        for again in (True, False):
            if not found:
                raise _Refused(HTTPStatus.SERVICE_UNAVAILABLE, "nothing is served yet")
            target = found[next(turns) % len(found)]
            if target not in channels:
                channels[target] = grpc.aio.insecure_channel(target, options=_OPTIONS)
            method: Any = channels[target].unary_unary(f"/{v2.SERVICE}/{name}")
            try:
                answer: bytes = await method(data, timeout=timeout, metadata=tuple(shown))
                break
            except grpc.aio.AioRpcError as error:
                if not again or error.code() is not grpc.StatusCode.UNAVAILABLE:
                    raise
        return answer

    return call


def routes(
    call: Call, most_bytes: int = MOST_BYTES, admit: Admit = lambda _method, _headers: None
) -> list[Route]:
    """Return the routes under `/v2`. A body has at most `most_bytes`; `admit` says who may come."""
    form = _Form(call, most_bytes, admit)
    found = [
        Route("/v2", form.answering(form.server, "ServerMetadata"), methods=["GET"]),
        Route("/v2/health/live", form.answering(form.live, "ServerLive"), methods=["GET"]),
        Route("/v2/health/ready", form.answering(form.ready, "ServerReady"), methods=["GET"]),
    ]
    for model in ("/v2/models/{model}", "/v2/models/{model}/versions/{version}"):
        found += [
            Route(model, form.answering(form.model, "ModelMetadata"), methods=["GET"]),
            Route(
                f"{model}/ready", form.answering(form.model_ready, "ModelReady"), methods=["GET"]
            ),
            Route(f"{model}/infer", form.answering(form.infer, "ModelInfer"), methods=["POST"]),
        ]
    return found


Endpoint = Callable[[Request], Awaitable[Response]]


class _Form:
    """The endpoints."""

    def __init__(self, call: Call, most_bytes: int, admit: Admit) -> None:
        self._call, self._most_bytes, self._admit = call, most_bytes, admit

    def answering(self, endpoint: Endpoint, method: str) -> Endpoint:
        """Return an endpoint for a method, whose errors are responses."""

        async def answer(request: Request) -> Response:
            if refusal := self._admit(f"/{v2.SERVICE}/{method}", _shown(request)):
                return _refusal(refusal)
            try:
                return await endpoint(request)
            except NotV2 as error:
                return _error(HTTPStatus.BAD_REQUEST, str(error))
            except _Refused as error:
                return _error(error.status, str(error))
            except grpc.RpcError as error:
                return _rpc_error(error)

        return answer

    async def server(self, request: Request) -> Response:
        found = v2.ServerMetadataResponse.FromString(
            await self._call("ServerMetadata", b"", _shown(request))
        )
        return _json(v2_json.server_to_json(found))

    async def live(self, request: Request) -> Response:
        answer = v2.ServerLiveResponse.FromString(
            await self._call("ServerLive", b"", _shown(request))
        )
        return _state("live", answer.live)

    async def ready(self, request: Request) -> Response:
        answer = v2.ServerReadyResponse.FromString(
            await self._call("ServerReady", b"", _shown(request))
        )
        return _state("ready", answer.ready)

    async def model(self, request: Request) -> Response:
        asked = v2.ModelMetadataRequest(**_named(request))
        answer = await self._call("ModelMetadata", asked.SerializeToString(), _shown(request))
        return _json(v2_json.model_to_json(v2.ModelMetadataResponse.FromString(answer)))

    async def model_ready(self, request: Request) -> Response:
        asked = v2.ModelReadyRequest(**_named(request))
        answer = await self._call("ModelReady", asked.SerializeToString(), _shown(request))
        return _state("ready", v2.ModelReadyResponse.FromString(answer).ready)

    async def infer(self, request: Request) -> Response:
        body = await self._body(request)
        names = _named(request)

        def read() -> bytes:
            asked = v2_json.request_from_json(body, names["name"], names.get("version", ""))
            return bytes(asked.SerializeToString())

        def write() -> bytes:
            return v2_json.response_to_json(v2.ModelInferResponse.FromString(answer))

        small = len(body) <= _AT_ONCE
        data = read() if small else await run_in_threadpool(read)
        answer = await self._call("ModelInfer", data, _shown(request))
        return _json(write() if small else await run_in_threadpool(write))

    async def _body(self, request: Request) -> bytes:
        for header, what in (
            (
                "inference-header-content-length",
                "the binary extension (send JSON: binary_data=False)",
            ),
            ("content-encoding", "a compressed body"),
        ):
            if request.headers.get(header, "identity") != "identity":
                raise _Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"{what} is not offered")
        parts, size = [], 0
        async for part in request.stream():
            parts.append(part)
            size += len(part)
            if size > self._most_bytes:
                problem = f"the body is larger than {self._most_bytes} bytes; send it in parts"
                raise _Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, problem)
        return b"".join(parts)


def _shown(request: Request) -> Shown:
    return [("authorization", given) for given in request.headers.getlist("authorization")]


def _named(request: Request) -> dict[str, str]:
    named = {"name": request.path_params["model"]}
    if version := request.path_params.get("version"):
        named["version"] = version
    return named


def _json(body: bytes, status: HTTPStatus = HTTPStatus.OK) -> Response:
    return Response(body, status, media_type="application/json")


def _state(name: str, holds: bool) -> Response:
    status = HTTPStatus.OK if holds else HTTPStatus.SERVICE_UNAVAILABLE
    return _json(v2_json.dumped({name: holds}), status)


def _error(status: HTTPStatus, problem: str) -> Response:
    return _json(v2_json.dumped({"error": problem}), status)


def _refusal(refusal: Refusal) -> Response:
    response = _error(_STATUSES[refusal.code], str(refusal))
    for name, value in refusal.trailers:
        response.headers[name] = value
    return response


def _rpc_error(error: Any) -> Response:
    """Return the response for an error of gRPC, with its pause and its request id as headers."""
    status = _STATUSES.get(error.code(), HTTPStatus.INTERNAL_SERVER_ERROR)
    response = _error(status, error.details() or error.code().name)
    trailers = dict(error.trailing_metadata() or ())
    if pause := trailers.get("grpc-retry-pushback-ms"):
        response.headers["retry-after"] = str(-(-int(pause) // 1000))
    if number := trailers.get("x-request-id"):
        response.headers["x-request-id"] = number
    return response
