"""Streaming methods on threads of their own, so that idle streams never starve predictions.

Guarantee: at most `most` streams are open; one more is refused at once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import grpc

from dagrun.server.serving.calls import Calls
from dagrun.server.serving.pool import Pool
from dagrun.server.serving.refusals import Busy

Stream = Callable[[Any, grpc.ServicerContext], Iterator[Any]]


class Streams:
    """The open streams and their threads."""

    def __init__(self, most: int, retry_after_ms: int, calls: Calls) -> None:
        self._busy = Busy(f"open streams (this server allows {most})", retry_after_ms)
        self._most, self._calls = most, calls
        self._lock = threading.Lock()
        self._open = 0
        self._endless: set[grpc.ServicerContext] = set()
        # One thread more than streams: it is there to refuse.
        self._pool = Pool(most + 1, "stream")

    @property
    def open(self) -> int:
        """Number of open streams."""
        return self._open

    def streaming(self, name: str, stream: Stream, *, endless: bool = False) -> Stream:
        """Return the method as one that runs here; an endless one ends by `cancel` only."""

        def answer(request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
            if not self._enter(context, endless):
                self._calls.refuse(name, context, self._busy)
            try:
                yield from stream(request, context)
            except grpc.RpcError:
                raise  # the caller has gone
            except Exception as error:  # noqa: BLE001 - the guard of every stream
                self._calls.refuse(name, context, error)
            finally:
                self._leave(context)

        # gRPC runs a method that has this attribute on that pool.
        answer.experimental_thread_pool = self._pool  # type: ignore[attr-defined]
        return answer

    def end_slow(self, seconds: float) -> None:
        """End the calls whose first message has been on its way for longer than `seconds`."""
        self._pool.receiving.end_slow(seconds)

    def cancel(self) -> None:
        """Cancel every endless stream."""
        with self._lock:
            contexts = list(self._endless)
        for context in contexts:
            context.cancel()

    def close(self) -> None:
        """Let the threads end."""
        self._pool.shutdown(wait=False)

    def _enter(self, context: grpc.ServicerContext, endless: bool) -> bool:
        with self._lock:
            if self._open >= self._most:
                return False
            self._open += 1
            if endless:
                self._endless.add(context)
            return True

    def _leave(self, context: grpc.ServicerContext) -> None:
        with self._lock:
            self._open -= 1
            self._endless.discard(context)
