"""The control channel: JSON documents, one a line, over a socket pair.

What is said on it, each document with one of these members:

| from the supervisor | |
|---|---|
| `settings` | once, at first: how to listen, where the store is, what may be imported |
| `generation`, `routes` | load and prove this: all that is wanted, never a difference |
| `switch` | serve the generation of this number, proved before |
| `abandon` | forget the generation of this number |
| `grant` | by route and arm, how many requests in all an arm may answer, for the label given |
| `drain` | finish and end |

| from a worker | |
|---|---|
| `proved`, `report` | the generation of this number is ready; lines for the operator by route |
| `failed`, `problems` | it is not; by route: error class, message, whether the store's |
| `serving` | the switch is done |
| `snapshot` | totals since the worker's start, several times a second: also its sign of life |
| `arms` | along with it: by route, label and arm, what each arm did (`Tally.to_json`) |

Guarantee: documents arrive whole and in order, or the channel ends. Where it ends: both sides are
ours and of one version, so nothing is checked.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

Document = dict[str, Any]
_PIECE = 65_536


class Channel:
    """One end. It may be written to from any thread, and read from one."""

    def __init__(self, end: socket.socket) -> None:
        self._socket = end
        self._sending = threading.Lock()
        self._rest = b""

    def fileno(self) -> int:
        """Return the file descriptor, for a selector."""
        return self._socket.fileno()

    def send(self, document: Document) -> bool:
        """Send a document; false when the other side is gone or takes nothing any more."""
        data = json.dumps(document).encode() + b"\n"
        try:
            with self._sending:
                self._socket.sendall(data)
        except OSError:
            return False
        return True

    def receive(self) -> list[Document] | None:
        """Wait for bytes and return the documents that are complete; None at the end."""
        try:
            data = self._socket.recv(_PIECE)
        except OSError:
            data = b""
        if not data:
            return None
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [json.loads(line) for line in lines]

    def __iter__(self) -> Iterator[Document]:
        while (documents := self.receive()) is not None:
            yield from documents

    def end(self) -> None:
        """Let reading, in whatever thread, come to the end."""
        self._socket.shutdown(socket.SHUT_RD)

    def close(self) -> None:
        """Close this end."""
        self._socket.close()
