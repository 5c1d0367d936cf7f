"""The log of a server: one line a record, as JSON for machines or as text for people.

Guarantee: whatever is logged by us or by a library, a warning of Python included, becomes one line
on the stream, with time (UTC), level, logger and process; fields such as `request_id` stand beside
the message, never only inside it. A traceback is one field. Where it ends: what native code writes
to stderr by itself passes by.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, TextIO

import structlog
from structlog.typing import Processor

Form = Literal["text", "json"]

_SHARED: tuple[Processor, ...] = (
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.ExtraAdder(),
    structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
    structlog.processors.CallsiteParameterAdder([structlog.processors.CallsiteParameter.PROCESS]),
)


class _Stderr(logging.Handler):
    """Writes to what standard error is at that moment."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            sys.stderr.write(self.format(record) + "\n")
            sys.stderr.flush()
        except Exception:  # noqa: BLE001 - as the handlers of logging do
            self.handleError(record)


@contextmanager
def configured(form: Form) -> Iterator[None]:
    """Log as `configure` says, and as before afterwards."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    configure(form)
    try:
        yield
    finally:
        logging.captureWarnings(False)
        root.handlers[:] = handlers
        root.setLevel(level)


def configure(form: Form, level: int = logging.INFO, stream: TextIO | None = None) -> None:
    """Send every record from `level` on to the stream (stderr), replacing what was configured."""
    last: tuple[Processor, ...] = (
        (structlog.processors.format_exc_info, structlog.processors.JSONRenderer(default=str))
        if form == "json"
        else (structlog.dev.ConsoleRenderer(colors=False, timestamp_key="time", sort_keys=False),)
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_SHARED,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
    )
    handler: logging.Handler = logging.StreamHandler(stream) if stream else _Stderr()
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.captureWarnings(True)
    # It tells of each start and end, which the server tells itself.
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
