"""What is counted and told of calls: refusals, failures, slow ones, or all.

Guarantee: every refused call is counted under its method, status and, once known, model; its line
in the log and its trailing metadata carry the same request id: the caller's `x-request-id` if it
sent a printable one, else a new one. At most `_MOST_LINES` lines a second are written, so that a
flood of refusals costs little; how many were left out stands in the next one. Where it ends:
calls that answer well are counted by the methods that score; others (health, reflection) are not.
"""

from __future__ import annotations

import logging
import os
import re
import threading
import time
from typing import NoReturn

import grpc

from dagrun.server.observe.recorder import Recorder
from dagrun.server.serving.pool import TURN
from dagrun.server.serving.refusals import REQUEST_ID, Method, refusal_for, refuse
from dagrun.server.serving.settings import Lines

_LOGGER = logging.getLogger(__name__)
_MOST_LINES = 50
_PRINTABLE = re.compile(r"[!-~]{1,64}")


class Calls:
    """Counts and tells of the calls of one server."""

    def __init__(self, recorder: Recorder, lines: Lines = "refusals", slow_ms: float = 1000):
        """Tell as `lines` says; a call is slow from `slow_ms` on, with its wait in the queue."""
        self._recorder, self._lines = recorder, lines
        self._slow = {"none": float("inf"), "all": 0.0}.get(lines, slow_ms * 1e6)
        self._limit = _Limit(_MOST_LINES)

    def guarded(self, name: str, method: Method) -> Method:
        """Return the method with its refusals as statuses, and INTERNAL for anything else."""
        slow, clock, turn = self._slow, time.perf_counter_ns, TURN

        def answer(data: bytes, context: grpc.ServicerContext) -> bytes:
            try:
                response = method(data, context)
            except Exception as error:  # noqa: BLE001 - the guard of every method
                refused = error
            else:
                if clock() - turn.queued >= slow:
                    self._told(logging.INFO, name, "OK", request_id_of(context))
                return response
            return self.refuse(name, context, refused)

        return answer

    def refuse(self, name: str, context: grpc.ServicerContext, error: Exception) -> NoReturn:
        """Count an error, tell of it, and end the call with its status, by raising."""
        request_id = request_id_of(context)
        refusal = refusal_for(error, request_id)
        request_id = refusal.request_id or request_id
        code = refusal.code.name
        self._recorder.refused(name, code, TURN.labels)
        if self._lines in ("refusals", "all") or refusal.code is grpc.StatusCode.INTERNAL:
            self._told(logging.WARNING, name, code, request_id, str(refusal))
        refuse(context, refusal, request_id)

    def _told(self, level: int, name: str, code: str, request_id: str, why: str = "") -> None:
        left_out = self._limit.take(int(time.monotonic()))
        if left_out is None or self._lines == "none":
            return
        fields = {
            "method": name,
            "code": code,
            "request_id": request_id,
            "seconds": round((time.perf_counter_ns() - TURN.queued) / 1e9, 6),
        }
        if TURN.labels:
            fields |= TURN.labels._asdict()
        if left_out:
            fields["left_out"] = left_out
        text = f"{name} {code}{': ' if why else ''}{why}"
        _LOGGER.log(level, "%s", text, extra={name: v for name, v in fields.items() if v != ""})


def request_id_of(context: grpc.ServicerContext) -> str:
    """Return the id that the caller sent along, or a new one."""
    for key, value in context.invocation_metadata() or ():
        if key == REQUEST_ID and isinstance(value, str) and _PRINTABLE.fullmatch(value):
            return value
    return os.urandom(8).hex()


class _Limit:
    """So many a second, and how many more there would have been."""

    def __init__(self, most: int) -> None:
        self._most, self._lock = most, threading.Lock()
        self._second, self._taken, self._left_out = 0, 0, 0

    def take(self, second: int) -> int | None:
        """Return how many were left out before this one; None when this one is left out."""
        with self._lock:
            if second != self._second:
                self._second, self._taken = second, 0
            if self._taken >= self._most:
                self._left_out += 1
                return None
            self._taken += 1
            left_out, self._left_out = self._left_out, 0
            return left_out
