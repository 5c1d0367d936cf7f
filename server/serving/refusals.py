"""Why a request is refused: each reason an error with its gRPC status, and `google.rpc` details.

Guarantee: a refusal tells its caller what to change, in at most `_MOST_BYTES` of details, which
fits the 8 KiB that gRPC peers take as trailing metadata. Errors of other kinds are none of the
caller's business: they are answered with INTERNAL and a request id, and logged with the rest.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, NoReturn, TypeVar

import grpc
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2

from dagrun.engine.errors import DagrunError, listing, nearest

_LOGGER = logging.getLogger(__name__)
_MOST_VIOLATIONS, _MOST_BYTES = 20, 3_000
_MOST_NAME = 80
REQUEST_ID = "x-request-id"
"""The metadata that carries a call's id, either way."""

Parsed = TypeVar("Parsed", bound=Message)
Method = Callable[[bytes, grpc.ServicerContext], bytes]


class Violation(NamedTuple):
    """One value that a request gets wrong: `rows[3].distance`, and what is wrong with it."""

    field: str
    description: str


class Refusal(DagrunError):
    """A request that is answered with an error status.

    Attributes:
        code: the gRPC status code.
        violations: the fields at fault, those that fit into the answer.
        trailers: trailing metadata.
        request_id: the id under which the log has it, once it has.
    """

    code: grpc.StatusCode = grpc.StatusCode.INVALID_ARGUMENT
    violations: Sequence[Violation] = ()
    trailers: tuple[tuple[str, str], ...] = ()
    request_id = ""

    def details(self) -> bytes:
        """Return the `google.rpc.Status` that travels in the trailing metadata."""
        status = status_pb2.Status(code=self.code.value[0], message=str(self))
        if self.violations:
            bad_request = error_details_pb2.BadRequest()
            for violation in self.violations:
                bad_request.field_violations.add(
                    field=violation.field, description=violation.description
                )
            status.details.add().Pack(bad_request)
        return bytes(status.SerializeToString())


class Malformed(Refusal):
    """Bytes that are not the message, or the table, that they should be."""

    def __init__(self, what: str, problem: object) -> None:
        self.what, self.problem = what, problem
        super().__init__(f"{what} cannot be read: {shortened(str(problem), 300)}")


class ValuesRefused(Refusal):
    """Values that the model's columns do not admit."""

    def __init__(self, model: str, violations: Iterable[Violation]) -> None:
        found = list(itertools.islice(violations, _MOST_VIOLATIONS))
        self.model, self.violations = model, _first(found)
        first = found[0]
        more = " (and more, see the details)" if len(found) > 1 else ""
        super().__init__(f"{model}: {first.field}: {first.description}{more}")


class TooMuch(Refusal):
    """More rows or columns than the server takes in one request."""

    def __init__(self, what: str, found: int | str, most: int, instead: str) -> None:
        self.what, self.found, self.most = what, found, most
        super().__init__(f"{found} {what}; this server takes at most {most}. {instead}")


class ModelNotServed(Refusal):
    """A model that this server does not have."""

    code = grpc.StatusCode.NOT_FOUND

    def __init__(self, name: str, known: Sequence[str]) -> None:
        self.name, self.known = name, known
        super().__init__(
            f"no model {shortened(name)!r} is served here.{nearest(name[:_MOST_NAME], known)} "
            f"Models: {listing(known)}"
        )


class NotExplained(Refusal):
    """Contributions of a model that has none."""

    code = grpc.StatusCode.UNIMPLEMENTED

    def __init__(self, name: str, why: object) -> None:
        self.name = name
        super().__init__(f"{name} cannot be explained: {why}")


class DeadlinePassed(Refusal):
    """The time that the caller gave was over before the work began."""

    code = grpc.StatusCode.DEADLINE_EXCEEDED

    def __init__(self) -> None:
        super().__init__("the deadline passed while the request waited; nothing was computed")


class Busy(Refusal):
    """More requests wait already than the server lets wait."""

    code = grpc.StatusCode.RESOURCE_EXHAUSTED

    def __init__(self, what: str, retry_after_ms: int) -> None:
        self.what = what
        # gRPC clients obey this trailer by themselves where retries are configured.
        self.trailers = (("grpc-retry-pushback-ms", str(retry_after_ms)),)
        super().__init__(f"too many {what} at once; try again in {retry_after_ms} ms")


class MessageRefused(Refusal):
    """One message of a stream is refused, and the stream ends with the reason.

    Attributes:
        number: the message's place in the stream, from 0.
        reason: what a call with this message alone is answered with.
    """

    def __init__(self, number: int, reason: Refusal) -> None:
        self.number, self.reason = number, reason
        self.code, self.trailers = reason.code, reason.trailers
        self.request_id = reason.request_id
        place = f"messages[{number}]"
        self.violations = [
            Violation(f"{place}.{field}", description) for field, description in reason.violations
        ]
        super().__init__(f"{place}: {reason}")


class Internal(Refusal):
    """A defect, known to the caller by its request id only."""

    code = grpc.StatusCode.INTERNAL

    def __init__(self, request_id: str) -> None:
        self.request_id = request_id
        super().__init__(f"internal error; the server's log has it under request {request_id}")


def refuse(context: grpc.ServicerContext, refusal: Refusal, request_id: str) -> NoReturn:
    """End the call with the refusal's status, by raising."""
    details = ("grpc-status-details-bin", refusal.details())
    context.set_trailing_metadata((details, (REQUEST_ID, request_id), *refusal.trailers))
    context.abort(refusal.code, str(refusal))


def refusal_for(error: Exception, request_id: str) -> Refusal:
    """Return a refusal itself, or `Internal` for any other error, which is logged."""
    if isinstance(error, Refusal):
        return error
    _LOGGER.error("request %s failed", request_id, exc_info=error, extra={"request_id": request_id})
    return Internal(request_id)


def parsed(kind: type[Parsed], data: bytes) -> Parsed:
    """Return the message that the bytes hold. Raises `Malformed`."""
    try:
        return kind.FromString(data)
    except DecodeError as error:
        raise Malformed(f"the {kind.DESCRIPTOR.name}", error) from error


def shortened(text: str, most: int = _MOST_NAME) -> str:
    """Return `text`, cut when longer than `most` characters, and safe to print."""
    text = text.encode("utf-8", "replace").decode()
    return text if len(text) <= most else text[: most - 1] + "…"


def _first(violations: Sequence[Violation]) -> Sequence[Violation]:
    room = _MOST_BYTES
    for number, violation in enumerate(violations):
        room -= len(violation.field.encode()) + len(violation.description.encode()) + 8
        if room < 0:
            return violations[: max(1, number)]
    return violations
