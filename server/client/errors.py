"""What can go wrong with a call, as errors that say what to do.

Guarantee: every status that a dagrun server answers becomes one of these; nothing else is raised
for a call that reached one. The original `grpc.RpcError` is the `__cause__`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import grpc
from google.rpc import error_details_pb2, status_pb2

from dagrun.engine.errors import DagrunError


class CallFailed(DagrunError):
    """A call did not give an answer.

    Attributes:
        target: address of the server.
        code: the gRPC status code.
        message: what the server, or gRPC itself, says.
    """

    advice = ""

    def __init__(self, target: str, code: grpc.StatusCode, message: str) -> None:
        self.target, self.code, self.message = target, code, message
        super().__init__(f"{target}: {message}{self.advice}")


class Violation(NamedTuple):
    """One value at fault.

    Attributes:
        row: index of the row as given to `predict`, -1 for a whole table.
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
    ) -> None:
        self.violations = tuple(violations)
        lines = [
            f"\n  {f'row {row}' if row >= 0 else 'table'}, {column}: {problem}"
            for row, column, problem in violations
        ]
        heading = "the model does not admit what was sent:" if lines else message
        super().__init__(target, code, heading + "".join(lines))


class ModelUnknown(CallFailed):
    """The server does not serve that model; the message lists those it does."""


class ServerBusy(CallFailed):
    """The server refused the call to protect itself, at every attempt."""

    advice = ". Send less at once, or start more servers"


class ServerUnreachable(CallFailed):
    """Nothing answers at the address, at every attempt."""

    advice = ". Is it up? (start one: dagrun serve NAME)"


class DeadlinePassed(CallFailed):
    """No answer came in time."""

    advice = ". Give the client a longer timeout, or send less at once"


class ServerFailed(CallFailed):
    """The server has a defect; its log has the details under the request id in the message."""


_KINDS: dict[grpc.StatusCode, type[CallFailed]] = {
    grpc.StatusCode.INVALID_ARGUMENT: RequestInvalid,
    grpc.StatusCode.NOT_FOUND: ModelUnknown,
    grpc.StatusCode.RESOURCE_EXHAUSTED: ServerBusy,
    grpc.StatusCode.UNAVAILABLE: ServerUnreachable,
    grpc.StatusCode.CANCELLED: ServerUnreachable,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlinePassed,
    grpc.StatusCode.INTERNAL: ServerFailed,
}


def failure(target: str, error: grpc.RpcError) -> CallFailed:
    """Return what to raise for an error of gRPC."""
    code, message = error.code(), error.details() or error.code().name
    kind = _KINDS.get(code, CallFailed)
    if kind is RequestInvalid:
        return RequestInvalid(target, code, message, _violations(error))
    return kind(target, code, message)


def _violations(error: grpc.RpcError) -> list[Violation]:
    status, bad_request = status_pb2.Status(), error_details_pb2.BadRequest()
    for trailer in error.trailing_metadata() or ():
        if trailer.key == "grpc-status-details-bin":
            status.ParseFromString(trailer.value)
    return [
        _violation(violation.field, violation.description)
        for detail in status.details
        if detail.Unpack(bad_request)
        for violation in bad_request.field_violations
    ]


def _violation(field: str, problem: str) -> Violation:
    place, _, column = field.partition(".")
    number = place.removeprefix("rows[").removesuffix("]")
    return Violation(int(number) if number.isdecimal() else -1, column, problem)
