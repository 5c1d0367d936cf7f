"""What a worker process writes to its standard streams, handed over while it runs.

Guarantee: all that the worker itself wrote is handed over before `finish` returns, and a worker
never waits for a listener that fails. What children of it write after its end is lost: nobody
waits for them.
"""

from __future__ import annotations

import codecs
import os
import selectors
import threading
from collections.abc import Callable, Mapping
from typing import Any

CHUNK = 1 << 16


class Pipes:
    """The reading ends of a worker's standard output and standard error."""

    def __init__(self, hear: Callable[[Any, str], None]) -> None:
        self._hear = hear
        self._deaf = False
        self._reading: dict[int, str] = {}
        self._writing: dict[str, int] = {}
        for name in ("stdout", "stderr"):
            reading, self._writing[name] = os.pipe()
            os.set_blocking(reading, False)
            self._reading[reading] = name
        self._awake, self._wake = os.pipe()
        self._thread = threading.Thread(target=self._listen, daemon=True)

    @property
    def ends(self) -> tuple[int, int]:
        """The file descriptors that the worker is to have as standard output and error."""
        return self._writing["stdout"], self._writing["stderr"]

    def start(self) -> None:
        """Begin to listen; the worker has its ends, and these here are closed."""
        self._close_writing()
        self._thread.start()

    def finish(self) -> None:
        """Hand over what is still there, and close."""
        self._close_writing()
        if self._thread.ident is not None:
            os.write(self._wake, b".")
            self._thread.join()
        for descriptor in (*self._reading, self._awake, self._wake):
            os.close(descriptor)

    def _close_writing(self) -> None:
        while self._writing:
            os.close(self._writing.popitem()[1])

    def _listen(self) -> None:
        decoders = {
            name: codecs.getincrementaldecoder("utf-8")("replace")
            for name in self._reading.values()
        }
        with selectors.DefaultSelector() as selector:
            for descriptor in (*self._reading, self._awake):
                selector.register(descriptor, selectors.EVENT_READ)
            while True:
                ready = {key.fd for key, _ in selector.select()}
                while self._drain(selector, decoders):
                    pass
                if self._awake in ready:
                    return

    def _drain(
        self, selector: selectors.BaseSelector, decoders: Mapping[str, codecs.IncrementalDecoder]
    ) -> bool:
        """Read once from each pipe; tell whether there was anything."""
        found = False
        for descriptor, name in self._reading.items():
            try:
                data = os.read(descriptor, CHUNK)
            except BlockingIOError:
                continue
            if not data and descriptor in selector.get_map():
                selector.unregister(descriptor)
            found = found or bool(data)
            text = decoders[name].decode(data)
            if text and not self._deaf:
                try:
                    self._hear(name, text)
                except Exception:  # noqa: BLE001 - a terminal that is gone must not stop the worker
                    self._deaf = True
        return found
