"""Log records of stages: heard, whatever was or was not configured.

What was configured is left alone: a handler that writes to a standard stream is heard through that
stream, in its own format. Only where nobody would write a record where it is heard is it kept from
here. The limit: loggers that do not propagate to the root logger and write elsewhere are not heard.
"""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

LOG_ONLY = "\x1e"
"""Begins a line of a worker's standard error that is for the log alone."""
FORMAT = "%(levelname)s %(name)s: %(message)s"


class Noting(Protocol):
    """What takes a line that is not for the terminal."""

    def note(self, text: str) -> None:
        """Keep the line."""


class WorkerVoice:
    """The voice of the one stage of a worker process, whose parent hears its streams."""

    def note(self, text: str) -> None:
        """Keep a line that is not for the terminal."""
        sys.stderr.write(f"{LOG_ONLY}{text}\n")


class Listener(logging.Handler):
    """Keeps log records that nobody else writes where they are heard.

    Those from WARNING on are shown, if nobody else handles them: as Python itself does.
    """

    def __init__(self, voice: Callable[[], Noting | None]) -> None:
        super().__init__()
        self._voice = voice
        self.setFormatter(logging.Formatter(FORMAT))

    def emit(self, record: logging.LogRecord) -> None:
        """Hear a record."""
        voice, text = self._voice(), self.format(record)
        if record.levelno >= logging.WARNING and self is logging.lastResort:
            print(text, file=sys.stderr)  # noqa: T201 - where it is heard and shown
        elif voice is not None:
            for line in text.split("\n"):
                voice.note(line)


@contextlib.contextmanager
def listening(listener: Listener, shared: Sequence[Any] = ()) -> Iterator[None]:
    """Hear the root logger, leaving alone what was configured.

    Handlers that write to a stream that one of `shared` replaces write to that one. Without any
    handler the listener is the last resort, and the stages' own loggers tell from INFO on.
    """
    root, stages = logging.getLogger(), logging.getLogger("dagrun.stage")
    moved = False
    with contextlib.ExitStack() as stack:
        for handler in root.handlers:
            for stream in shared:
                if isinstance(handler, logging.StreamHandler) and stream.replaces(handler.stream):
                    stack.callback(handler.setStream, handler.setStream(stream))
                    moved = True
        if not moved and stages.level == logging.NOTSET:
            stages.setLevel(logging.INFO)
            stack.callback(stages.setLevel, logging.NOTSET)
        if not root.handlers:
            stack.callback(setattr, logging, "lastResort", logging.lastResort)
            logging.lastResort = listener
        elif not moved:
            root.addHandler(listener)
            stack.callback(root.removeHandler, listener)
        yield
