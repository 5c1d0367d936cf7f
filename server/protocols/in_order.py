"""`PredictStream`: message after message, answered one for one and in order.

Guarantee: an answer has the bits that `Predict` gives; at most one message of a stream is read
ahead of its answer, so a caller that does not read holds up nothing but itself. The first message
that is refused ends the stream with the status that `Predict` would give it, and its number.
Answers before it are whole. Where it ends: a stream keeps to the server that it began on, and
messages sent after the refused one are not answered.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import grpc

from dagrun.server.serving.calls import request_id_of
from dagrun.server.serving.pool import TURN
from dagrun.server.serving.refusals import MessageRefused, Method, refusal_for


class InOrder:
    """The method, and those of its streams that wait for their next message."""

    def __init__(self, predict: Method) -> None:
        self._predict = predict
        self._lock = threading.Lock()
        self._waiting: dict[grpc.ServicerContext, float] = {}

    def answer(self, messages: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        """Yield a response for each message. Raises `MessageRefused`."""
        number = 0
        while (data := self._next(messages, context)) is not None:
            TURN.queued = time.perf_counter_ns()
            try:
                response = self._predict(data, context)
            except Exception as error:
                refusal = refusal_for(error, request_id_of(context))
                raise MessageRefused(number, refusal) from error
            yield response
            number += 1

    def end_idle(self, seconds: float) -> None:
        """Cancel the streams that have waited for a message for longer than that."""
        now = time.monotonic()
        with self._lock:
            idle = [context for context, since in self._waiting.items() if now - since > seconds]
        for context in idle:
            context.cancel()

    def _next(self, messages: Iterator[bytes], context: grpc.ServicerContext) -> bytes | None:
        with self._lock:
            self._waiting[context] = time.monotonic()
        try:
            return next(messages, None)
        finally:
            with self._lock:
                del self._waiting[context]
