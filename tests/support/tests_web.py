"""A real web server with faults, in this process: each path answers what a test scripts for it."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


@dataclass
class Said:
    """One answer; `cut` sends half of the body and closes the connection."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False


@dataclass
class Asked:
    """One request that came."""

    path: str
    query: dict[str, str]
    headers: dict[str, str]


def rows(*numbers: int) -> bytes:
    """Return a page of items with these ids."""
    return json.dumps({"items": [{"id": number} for number in numbers]}).encode()


Script = Callable[[Asked], Said]


class Site:
    """The server; `asked` lists the requests, `pages` maps a path to its script."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.asked: list[Asked] = []
        self.pages: dict[str, Script] = {}

    def say(self, path: str, *answers: Said) -> None:
        """Answer with each in turn, the last one for good."""
        left = list(answers)
        self.pages[path] = lambda _asked: left.pop(0) if len(left) > 1 else left[0]


@contextmanager
def site() -> Iterator[Site]:
    """Serve on a free port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked = Asked(parts.path, query, headers)
            found.asked.append(asked)
            script = found.pages.get(parts.path, lambda _asked: Said(b"nothing here", 404))
            said = script(asked)
            self.send_response(said.status)
            for name, value in said.headers.items():
                self.send_header(name, value)
            if said.status not in (204, 304):
                self.send_header("Content-Length", str(len(said.body)))
            self.end_headers()
            if said.cut:
                self.wfile.write(said.body[: len(said.body) // 2])
                self.wfile.flush()
                self.connection.shutdown(socket.SHUT_RDWR)
                self.close_connection = True
            elif said.status not in (204, 304):
                self.wfile.write(said.body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    found = Site(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
