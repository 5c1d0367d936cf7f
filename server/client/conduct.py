"""How a call is carried out: over which connection, how often, with which pauses and hedges.

`conduct` decides and never waits: it is a generator of steps (`Ask`, `Begin`, `Await`, `Pause`)
that `Client` and `AsyncClient` carry out, each in its way; so both behave alike. Guarantee: a call
ends within its timeout. It is repeated only for what a repetition may mend, at most `attempts`
times, after the pause that the server asks for, and within the budget; while no server can be
connected to, nothing counts but patience. A hedge's loser is cancelled.
All of this is safe because predictions change nothing.
"""

from __future__ import annotations

import random
import time
from collections.abc import Generator, Sequence
from typing import Any, NamedTuple

import grpc

from dagrun.server.client.channels import Metadata
from dagrun.server.client.errors import failure, too_large, trailers
from dagrun.server.client.lanes import Lane, Lanes
from dagrun.server.client.settings import ClientSettings

_FIRST_CONTACT = 1.0
_PAUSE_LEAST, _PAUSE_MOST = 0.01, 1.0
"""Seconds between attempts to connect, and before any repetition."""
_REPEATED = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        # A server that ends drops what arrives in that moment as CANCELLED.
        grpc.StatusCode.CANCELLED,
    }
)
_LATE = grpc.StatusCode.DEADLINE_EXCEEDED
_NOT_CONNECTED = (
    "failed to connect to all addresses",
    "connections to all backends failing",
    "DNS resolution failed",
)
"""What gRPC says, and nobody else, when a call never left this host."""


class Outgoing(NamedTuple):
    """One call, ready to be sent.

    Attributes:
        path: `/package.Service/Method`.
        data: the request's bytes.
        metadata: what is sent with it.
        request_id: its name in logs and errors; a part of the metadata.
        timeout: seconds for all of it.
        patience: seconds for connecting, None for what the settings say.
    """

    path: str
    data: bytes
    metadata: Metadata
    request_id: str
    timeout: float
    patience: float | None = None


class Ask(NamedTuple):
    """A step: send the call over the lane and wait; give back the bytes, or the error."""

    lane: Lane
    timeout: float


class Begin(NamedTuple):
    """A step: send the call over the lane and go on; give back something to `cancel()`."""

    lane: Lane
    timeout: float


class Await(NamedTuple):
    """A step: give back the first `(begun, outcome)`, or None once the time is up."""

    begun: Sequence[Any]
    seconds: float | None


class Pause(NamedTuple):
    """A step: wait."""

    seconds: float


Step = Ask | Begin | Await | Pause
Outcome = bytes | grpc.RpcError


class Budget:
    """What repetitions are paid from. Races between threads cost a token at most."""

    def __init__(self, burst: int, share: float) -> None:
        self._tokens, self._most, self._share = float(burst), float(burst), share

    def earn(self) -> None:
        """Note an answer."""
        if self._tokens < self._most:
            self._tokens = min(self._most, self._tokens + self._share)

    def spend(self) -> bool:
        """Take what one repetition costs, or return False."""
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


def conduct(
    call: Outgoing, lanes: Lanes, settings: ClientSettings, budget: Budget
) -> Generator[Step, Any, bytes]:
    """Carry out one call step by step; return the response. Raises `CallFailed`."""
    began = time.monotonic()
    deadline = began + call.timeout
    sent = missed = 0
    failed: list[Lane] = []
    while True:
        lane = lanes.pick(failed)
        remaining = deadline - time.monotonic()
        if settings.hedge_after is None:
            lane.under_way.append(None)
            try:
                outcome: Outcome = yield Ask(lane, remaining)
            finally:
                lane.under_way.pop()
        else:
            lane, outcome = yield from _race(lane, lanes, settings.hedge_after, deadline, budget)
        if isinstance(outcome, bytes):
            lane.reached()
            lanes.reached = True
            budget.earn()
            return outcome
        if _is_not_connected(outcome):
            missed += 1
            lane.missed()
            until = min(deadline, began + _patience(call, lanes, settings))
            pause = 0.0 if lanes.usable() else max(_PAUSE_LEAST, _pause(settings, missed))
            allowed = True
        else:
            sent += 1
            lane.reached()
            lanes.reached = lanes.reached or outcome.code() is not _LATE
            until, asked = deadline, _pushback(outcome)
            pause = _pause(settings, sent) if asked is None else asked * random.uniform(1, 1.1)
            allowed = _is_mendable(outcome) and (asked is None or asked >= 0)
            allowed = allowed and sent < settings.attempts and budget.spend()
        if not allowed or time.monotonic() + pause >= until:
            raise failure(lane.target, outcome, call.request_id, sent + missed) from outcome
        failed = [lane]
        if pause:
            yield Pause(pause)


def _race(
    lane: Lane, lanes: Lanes, hedge_after: float, deadline: float, budget: Budget
) -> Generator[Step, Any, tuple[Lane, Outcome]]:
    """Ask over one lane and, if that takes long, over another; return the better outcome."""
    begun: dict[Any, Lane] = {}
    try:
        begun[(yield from _begin(lane, deadline))] = lane
        hedged = False
        while True:
            done = yield Await(tuple(begun), None if hedged else hedge_after)
            if done is None:
                hedged = True
                other = lanes.pick([lane])
                if other is not lane and budget.spend():
                    begun[(yield from _begin(other, deadline))] = other
                continue
            finished, outcome = done
            lane = begun.pop(finished)
            lane.under_way.pop()
            if isinstance(outcome, bytes) or not begun:
                return lane, outcome
    finally:
        for loser, taken in begun.items():
            taken.under_way.pop()
            loser.cancel()


def _begin(lane: Lane, deadline: float) -> Generator[Step, Any, Any]:
    lane.under_way.append(None)
    try:
        return (yield Begin(lane, deadline - time.monotonic()))
    except BaseException:
        lane.under_way.pop()
        raise


def _patience(call: Outgoing, lanes: Lanes, settings: ClientSettings) -> float:
    if call.patience is not None:
        return call.patience
    if settings.patience is not None:
        return settings.patience
    return call.timeout if lanes.reached else _FIRST_CONTACT


def _pause(settings: ClientSettings, failures: int) -> float:
    longest = min(_PAUSE_MOST, settings.retry_pause * 2.0 ** min(failures - 1, 10))
    return longest * random.uniform(0.5, 1)


def _is_not_connected(error: grpc.RpcError) -> bool:
    details = error.details() or ""
    return error.code() is grpc.StatusCode.UNAVAILABLE and details.startswith(_NOT_CONNECTED)


def _is_mendable(error: grpc.RpcError) -> bool:
    return error.code() in _REPEATED and not too_large(error)


def _pushback(error: grpc.RpcError) -> float | None:
    """Return the seconds to wait that the server asks for; negative forbids a repetition.

    https://github.com/grpc/proposal/blob/master/A6-client-retries.md#pushback
    """
    asked = trailers(error).get("grpc-retry-pushback-ms")
    if asked is None:
        return None
    return int(asked) / 1_000 if str(asked).isdecimal() else -1.0
