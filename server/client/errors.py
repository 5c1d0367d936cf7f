"""What can go wrong with a call, as errors that say what to do.

Guarantee: every status that a dagrun server answers becomes one of these; nothing else is raised
for a call that reached one. The original `grpc.RpcError` is the `__cause__`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import grpc
from google.rpc import error_details_pb2, status_pb2

from dagrun.engine.errors import DagrunError


class CallFailed(DagrunError):
    """A call did not give an answer.

    Attributes:
        target: address of the server that was asked last.
        code: the gRPC status code.
        message: what the server, or gRPC itself, says.
        request_id: the call's name in the server's logs.
        attempts: how often it was tried.
    """

    advice = ""

    def __init__(
        self,
        target: str,
        code: grpc.StatusCode,
        message: str,
        request_id: str = "",
        attempts: int = 1,
    ) -> None:
        self.target, self.code, self.message = target, code, message
        self.request_id, self.attempts = request_id, attempts
        tried = f", {attempts} attempts" if attempts > 1 else ""
        place = "\n  " if "\n" in message else " "
        named = request_id and request_id not in message
        told = f"{place}(request {request_id}{tried})" if named else ""
        super().__init__(f"{target}: {message}{self.advise(message)}{told}")

    def advise(self, message: str) -> str:  # noqa: ARG002
        """Return what to do next."""
        return self.advice


class Violation(NamedTuple):
    """One value at fault.

    Attributes:
        row: index of the row as given to `predict`, or in its batch; -1 for a whole table.
        column: the column's name.
        problem: what is wrong.
    """

    row: int
    column: str
    problem: str


class RequestInvalid(CallFailed):
    """The server did not accept the rows or the table.

    Attributes:
        violations: the values at fault; the first ones when there are many.
    """

    def __init__(
        self,
        target: str,
        code: grpc.StatusCode,
        message: str,
        violations: Sequence[Violation] = (),
        request_id: str = "",
    ) -> None:
        self.violations = tuple(violations)
        lines = [
            f"\n  {f'row {row}' if row >= 0 else 'table'}, {column}: {problem}"
            for row, column, problem in violations
        ]
        place = message.partition(":")[0] if message.startswith("messages[") else ""
        what = f"what was sent as {place}" if place else "what was sent"
        heading = f"the model does not admit {what}:" if lines else message
        super().__init__(target, code, heading + "".join(lines), request_id)


class ModelUnknown(CallFailed):
    """The server does not serve that model; the message lists those it does."""


class ServerBusy(CallFailed):
    """The server refused the call to protect itself, at every attempt."""

    advice = ". Send less at once, or start more servers"


class MessageTooLarge(CallFailed):
    """A request or response is larger than one side lets in."""

    advice = (
        ". Send fewer rows at a time, or raise max_message_bytes: the client's setting for "
        "responses, the server's for requests"
    )


class ServerUnreachable(CallFailed):
    """Nothing answers at the address, at every attempt."""

    advice = ". Is it up? (start one: dagrun serve NAME)"

    def advise(self, message: str) -> str:
        """Return what to do next: about certificates where they are what failed."""
        if any(word in message for word in _OF_TLS):
            return (
                ". The server's certificate or the client's was not accepted: see roots, "
                "certificate and server_name of Tls, or leave tls out where the server has none"
            )
        return self.advice


class NotAllowed(CallFailed):
    """The server wants a valid token, or a client certificate."""

    advice = ". Give the settings a valid token, token_file, or tls with a certificate"


class DeadlinePassed(CallFailed):
    """No answer came in time."""

    advice = ". Give the client a longer timeout, or send less at once"


class ServerFailed(CallFailed):
    """The server has a defect; its log has the details under the request id in the message."""


class MethodUnknown(CallFailed):
    """The server does not have the method: it is older than the client, or no dagrun server."""

    advice = ". Is a dagrun server at this address, and not older than this client?"


class ClientClosed(DagrunError):
    """The client was closed before the call."""

    def __init__(self) -> None:
        super().__init__("the client is closed. Make the calls inside its `with` block")


class ClientForked(DagrunError):
    """A client made its connections before this process was forked off."""

    def __init__(self) -> None:
        super().__init__(
            "the client connected before this process was forked, and connections do not survive "
            "that. Make a client in each process, or call nothing before the fork"
        )


_OF_TLS = ("andshake", "erification", "SSL_ERROR", "CERTIFICATE", "ertificate", "Ssl ")
_TOO_LARGE = "larger than max"

_KINDS: dict[grpc.StatusCode, type[CallFailed]] = {
    grpc.StatusCode.INVALID_ARGUMENT: RequestInvalid,
    grpc.StatusCode.NOT_FOUND: ModelUnknown,
    grpc.StatusCode.RESOURCE_EXHAUSTED: ServerBusy,
    grpc.StatusCode.UNAVAILABLE: ServerUnreachable,
    grpc.StatusCode.CANCELLED: ServerUnreachable,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlinePassed,
    grpc.StatusCode.INTERNAL: ServerFailed,
    grpc.StatusCode.UNAUTHENTICATED: NotAllowed,
    grpc.StatusCode.PERMISSION_DENIED: NotAllowed,
    grpc.StatusCode.UNIMPLEMENTED: MethodUnknown,
}


def too_large(error: grpc.RpcError) -> bool:
    """Whether a message's size was what failed, as gRPC itself says on either side."""
    code = error.code()
    return code is grpc.StatusCode.RESOURCE_EXHAUSTED and _TOO_LARGE in (error.details() or "")


def trailers(error: grpc.RpcError) -> dict[str, Any]:
    """Return the trailing metadata."""
    pairs: Any = error.trailing_metadata() or ()
    return dict(iter(pairs))


def failure(
    target: str, error: grpc.RpcError, request_id: str = "", attempts: int = 1
) -> CallFailed:
    """Return what to raise for an error of gRPC."""
    code, message = error.code(), error.details() or error.code().name
    kind = MessageTooLarge if too_large(error) else _KINDS.get(code, CallFailed)
    request_id = str(trailers(error).get("x-request-id", request_id))
    if kind is RequestInvalid:
        return RequestInvalid(target, code, message, _violations(error), request_id)
    return kind(target, code, message, request_id, attempts)


def _violations(error: grpc.RpcError) -> list[Violation]:
    status, bad_request = status_pb2.Status(), error_details_pb2.BadRequest()
    status.ParseFromString(trailers(error).get("grpc-status-details-bin", b""))
    return [
        _violation(violation.field, violation.description)
        for detail in status.details
        if detail.Unpack(bad_request)
        for violation in bad_request.field_violations
    ]


def _violation(field: str, problem: str) -> Violation:
    # A stream's message goes before: messages[2].rows[1].distance.
    place, _, column = re.sub(r"^messages\[\d+\]\.", "", field).partition(".")
    number = place.removeprefix("rows[").removesuffix("]")
    return Violation(int(number) if number.isdecimal() else -1, column, problem)
