"""The HTTP port: an application on a thread of its own, beside whatever the process does.

Guarantee: the port is taken when the object is made, so that it is known before anything starts
whether it can be had, and whoever connects waits for `serve`. At most `_MOST_AT_ONCE` requests are
under way, further ones are answered 503. Where it ends: uvicorn's own limits hold for headers; the
size of a body is the application's business.
"""

from __future__ import annotations

import socket
import ssl
import threading
from types import TracebackType

import uvicorn
from starlette.types import ASGIApp

from dagrun.server.serving.listening import CannotListen

_MOST_AT_ONCE = 128
_KEEP_ALIVE, _GRACE, _PATIENCE = 15, 5, 10.0


class HttpPort:
    """A bound port; requests are answered inside the `with`.

    Attributes:
        address: host and bound port.
    """

    def __init__(self, host: str, port: int) -> None:
        """Bind; port 0 takes a free one. Raises `CannotListen`."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind((host, port))
            self._socket.listen(_MOST_AT_ONCE)
        except OSError as error:
            self._socket.close()
            raise CannotListen(f"{host}:{port}", error.strerror) from error
        self.address = f"{host}:{self._socket.getsockname()[1]}"
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    def serve(self, application: ASGIApp, tls: ssl.SSLContext | None = None) -> None:
        """Begin to answer with this application, on a thread; with `tls`, encrypted."""
        settings = uvicorn.Config(
            application,
            log_config=None,
            access_log=False,
            lifespan="off",
            limit_concurrency=_MOST_AT_ONCE,
            timeout_keep_alive=_KEEP_ALIVE,
            timeout_graceful_shutdown=_GRACE,
        )
        settings.load()
        settings.ssl = tls
        self._server = uvicorn.Server(settings)
        self._thread = threading.Thread(
            target=self._server.run, args=([self._socket],), name="http", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Finish what is under way and end. May be called twice."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join(_PATIENCE)
        self._socket.close()

    def __enter__(self) -> HttpPort:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
